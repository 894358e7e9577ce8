"""Every number of every table, read back from the file, equals metrics.json; odd names survive."""

from __future__ import annotations

import copy
import csv
import html
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pylatexenc.latex2text import LatexNodes2Text
from rich.console import Console

from benchmarks.reports import load_metrics, print_runs, render
from benchmarks.reports.board import boards
from benchmarks.reports.load import Run
from benchmarks.reports.markdown import number as markdown_number
from benchmarks.reports.notes import UNTESTED, interval_notes
from benchmarks.runfolder.scores import Cell, write_shard
from registry import UserError
from tests.conftest import Invoke
from tests.metrics.samples import normal
from tests.reports.conftest import ODD, PERTURBATIONS
from tests.runs import rows_of

Key = tuple[str, str, str, str, str]
METRICS = ("ap", "acc", "auroc", "tpr_at_fpr_1")


def expected(
    metrics: dict[str, Any], repeats: bool = False
) -> dict[Key, tuple[float | None, list[float] | None]]:
    """(metric, perturbation, detector, group, column) → value and interval. repeats: means over one set, too."""
    found = {}
    for item in [*metrics["cells"], *metrics["means"]]:
        if "scope" in item:
            if item["n_sets_expected"] == 1 and not repeats:
                continue
            group, label = item["scope"], f"mean of {item['n_sets_expected']}"
        else:
            group, label = item["paradigm"], item["dataset"].split("/", 1)[1]
        for name in METRICS:
            key = (name, item["perturbation"], item["detector"], group, label)
            found[key] = (item["metrics"][name], item["ci"][name])
    return found


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    files = render(run, metrics=METRICS, out=out)
    assert {f.name for f in files} == {f.name for f in out.iterdir()}
    return out


def markdown_rows(text: str) -> Iterator[tuple[Key, str]]:
    """Every table cell of the measured part of a Markdown leaderboard."""
    columns: list[str] = []
    metric = perturbation = ""
    for line in text.split("## Threshold")[0].splitlines():
        if heading := re.match(r"## (\S+) \(.*?\), (.*)", line):
            metric, perturbation = heading[1], "none" if heading[2] == "clean pictures" else heading[2]
        if not line.startswith("|") or line.startswith("|:"):
            continue
        parts = [
            re.sub(r"\\(.)", r"\1", html.unescape(p)).strip() for p in re.split(r"(?<!\\)\|", line)[1:-1]
        ]
        if parts[0] == "detector" or parts[0].startswith("over "):
            columns = parts[1:] if parts[0] == "detector" else []
            continue
        if not columns:
            continue
        assert len(parts) == len(columns) + 1
        for column, cell in zip(columns, parts[1:], strict=True):
            group, label = column.split(": ", 1)
            yield (metric, perturbation, parts[0].removesuffix(" †"), group, label), cell


def test_markdown_equals_metrics_json(folder: Path, metrics: dict[str, Any]) -> None:
    text = (folder / "leaderboard.md").read_text(encoding="utf-8")
    found = dict(markdown_rows(text))
    wanted = expected(metrics)
    assert set(found) == set(wanted)
    for key, (value, ci) in wanted.items():
        shown = re.findall(r"\d\.\d+", found[key])
        assert shown == [f"{x:.4f}" for x in ([] if value is None else [value, *(ci or [])])], key


def test_marks_are_where_they_belong(folder: Path, metrics: dict[str, Any]) -> None:
    text = (folder / "leaderboard.md").read_text(encoding="utf-8")
    found = dict(markdown_rows(text))
    assert "‡" in found["ap", "none", "strong", "GAN", "ProGAN"]
    assert "**" not in found["ap", "none", "strong", "GAN", "ProGAN"]
    assert "**" in found["ap", "none", "strong", "AR", "VAR"]
    assert "<u>" in found["ap", "none", ODD, "AR", "VAR"]
    assert found["ap", "none", "stopped", "GAN", "ProGAN"] == "✗"
    assert found["tpr_at_fpr_1", "none", ODD, "GAN", "ProGAN"] == "–"
    assert "| fresh_one † |" in text
    for key, cell in found.items():
        if key[2] == "fresh_one":
            assert "**" not in cell
            assert "<u>" not in cell
    assert "truncated \\| file" in text
    assert "it broke" in text


def test_csv_equals_metrics_json_at_full_precision(folder: Path, metrics: dict[str, Any]) -> None:
    lines = list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text(encoding="utf-8"))))
    found = {
        (r["metric"], r["perturbation"], r["detector"], r["paradigm"], r["column"]): (
            float(r["value"]) if r["value"] else None,
            [float(r["low"]), float(r["high"])] if r["low"] else None,
        )
        for r in lines
    }
    assert found == expected(metrics, repeats=True)
    assert len(lines) == len(found)
    assert {r["detector"] for r in lines if r["untrained"] == "true"} == {"fresh_one"}
    assert {r["status"] for r in lines} == {"complete", "partial", "failed"}
    published = list(csv.DictReader(io.StringIO((folder / "leaderboard.reported.csv").read_text("utf-8"))))
    assert [(r["detector"], r["metric"], float(r["value"])) for r in published] == [("strong", "acc", 0.8211)]


def latex_rows(text: str) -> Iterator[tuple[Key, str]]:
    def read(latex: str) -> str:
        return LatexNodes2Text().latex_to_text(latex.replace(r"{\textbar}", "|"))

    for table in re.findall(r"\\begin{table\*}(.*?)\\end{table\*}", text, re.S):
        caption = re.search(r"\\caption{(.*?) \(.*?\), (.*?)\. (?:Best|No difference)", table)
        if not caption:
            continue
        metric, perturbation = read(caption[1]), read(caption[2])
        perturbation = "none" if perturbation == "clean pictures" else perturbation
        body = re.search(r"\\toprule(.*)\\bottomrule", table, re.S)
        assert body
        header, labels, *rows = [re.split(r"(?<!\\)&", r) for r in re.split(r"\\\\\n", body[1])][:-1]
        groups = [
            read(m[2])
            for part in header[1:]
            if (m := re.search(r"multicolumn{(\d+)}{c}{(.*)}", part))
            for _ in range(int(m[1]))
        ]
        names = [read(label).strip() for label in labels[1:]]
        assert len(groups) == len(names)
        for row in rows:
            detector = read(row[0].replace(r"\midrule", "").replace(r"\textsuperscript{\dag}", "")).strip()
            assert len(row) == len(names) + 1
            for group, name, cell in zip(groups, names, row[1:], strict=True):
                yield (metric, perturbation, detector, group, name), cell.strip()


def test_latex_equals_metrics_json(folder: Path, metrics: dict[str, Any]) -> None:
    text = (folder / "leaderboard.tex").read_text(encoding="utf-8")
    found, wanted = dict(latex_rows(text)), expected(metrics)
    assert set(found) == set(wanted)
    for key, (value, _) in wanted.items():
        assert re.findall(r"\d\.\d+", found[key]) == ([] if value is None else [f"{value:.4f}"]), key
    assert found["ap", "none", "strong", "AR", "VAR"].startswith(r"\textbf{")
    assert found["ap", "none", ODD, "AR", "VAR"].startswith(r"\underline{")
    assert found["ap", "none", "stopped", "GAN", "ProGAN"] == r"$\times$"
    assert found["ap", "none", "strong", "GAN", "ProGAN"].endswith(r"\textsuperscript{\ddag}")
    assert r"a\_b \& c{\textbar}d 50\% D{\textthreesuperior}QE" in text
    assert text.count("{") == text.count("}")


def test_only_what_was_tested_is_marked(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    asked = ["--bootstrap", "0", "--metric", "ap", "--metric", "auroc", "--out", tmp_path / "none"]
    done = invoke("report", copy, *asked)
    assert done.code == 0, done.err
    lines = list(csv.DictReader(io.StringIO((tmp_path / "none" / "leaderboard.csv").read_text("utf-8"))))
    assert {r["test"] for r in lines if r["metric"] == "ap" or r["column"] == "mean of 2"} == {""}
    assert {r["test"] for r in lines if r["metric"] == "auroc" and r["rank"] and r["is_mean"] == "false"} == {
        "DeLong"
    }
    marks = ("**", "<u>", "≈")
    found = dict(markdown_rows((tmp_path / "none" / "leaderboard.md").read_text(encoding="utf-8")))
    for (metric, _, _, _, column), cell in found.items():
        if metric == "ap" or column == "mean of 2":
            assert not any(mark in cell for mark in marks)
    assert any("**" in cell for (metric, *_), cell in found.items() if metric == "auroc")
    by_delong = "Tested by DeLong on 3 test sets; what no test decides, on 1 mean, is unmarked"
    for text in (
        done.out,
        *((tmp_path / "none" / f"leaderboard.{kind}").read_text("utf-8") for kind in ("md", "tex", "html")),
    ):
        said = " ".join(text.split())
        assert UNTESTED in said
        assert by_delong in said
    latex = (tmp_path / "none" / "leaderboard.tex").read_text(encoding="utf-8")
    of_ap = [table for table in latex.split(r"\begin{table*}") if r"\caption{ap (higher" in table]
    assert len(of_ap) >= len(PERTURBATIONS)
    assert not any(
        sign in table for table in of_ap for sign in (r"\textbf", r"\underline", r"$\approx$", "Best in bold")
    )
    data = json.loads(
        re.search(
            r'id="data"[^>]*>(.*?)</script>',
            (tmp_path / "none" / "leaderboard.html").read_text("utf-8"),
            re.S,
        )[1]
    )  # type: ignore[index]
    ap = [metric["name"] for metric in data["metrics"]].index("ap")
    assert data["cells"]["r"][ap] is None
    assert any(data["cells"]["r"][[metric["name"] for metric in data["metrics"]].index("auroc")])
    assert data["tested"][ap] == [UNTESTED] * len(PERTURBATIONS)


def test_submitted_rows_are_not_marked(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    assert invoke("submit", run, "--detectors", f"strong,{ODD}", "--out", tmp_path / "rows").code == 2
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    record = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    del record["datasets"]["GAN/ProGAN"], record["detectors"]["fresh_one"], record["detectors"]["stopped"]
    (copy / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert invoke("submit", copy, "--out", tmp_path / "rows").code == 0
    done = invoke("report", tmp_path / "rows", "--out", tmp_path / "site")
    assert done.code == 0, done.err
    text = (tmp_path / "site" / "leaderboard.md").read_text(encoding="utf-8")
    assert not any(mark in cell for cell in dict(markdown_rows(text)).values() for mark in ("**", "<u>", "≈"))
    assert text.count(UNTESTED) == 3 * len(PERTURBATIONS)
    assert "Tested by" not in text


def test_reported_figures_are_apart(folder: Path) -> None:
    text = (folder / "leaderboard.md").read_text(encoding="utf-8")
    assert text.index("## Threshold or signal?") < text.index("## Reported elsewhere")
    measured, published = text.split("## Reported elsewhere")
    assert "0.8211" not in measured
    assert "| strong | ARForensics, mean \\| of 7 | acc | 0.8211 | arXiv &amp; co_2510 |" in published


def test_runs_over_different_pictures_carry_a_warning(run: Path, other_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--out"):
        render([run, other_data])
    render([run, other_data], metrics=["ap"], out=tmp_path)
    for file, sign in (("leaderboard.md", "> **Warning:**"), ("leaderboard.tex", r"\textbf{Warning:}")):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert sign in text
        assert "held different pictures" in text
    lines = list(csv.DictReader(io.StringIO((tmp_path / "leaderboard.csv").read_text("utf-8"))))
    assert all("held different pictures" in line["warning"] for line in lines)
    first = {r["pictures"] for r in lines if r["run"] == "run one" and r["column"].startswith("VAR")}
    second = {r["pictures"] for r in lines if r["run"] == "run two" and r["column"].startswith("VAR")}
    assert not first & second


def test_terminal_is_legible_at_100_columns(metrics: dict[str, Any]) -> None:
    stream = io.StringIO()
    print_runs([Run("", metrics)], Console(width=100, file=stream, color_system=None), ["ap"])
    text = stream.getvalue()
    assert all(len(line) <= 100 for line in text.splitlines())
    for perturbation in PERTURBATIONS:
        assert (
            f"ap (higher is better), {'clean pictures' if perturbation == 'none' else perturbation}" in text
        )
    shown = re.findall(r"(?<![\d.])\d\.\d{3}(?!\d)", text)
    values = [v for (name, *_), (v, _) in expected(metrics).items() if name == "ap" and v is not None]
    of_all: dict[tuple[str, str], list[float | None]] = {}
    for (name, perturbation, detector, group, column), (value, _) in expected(metrics).items():
        if name == "ap" and not column.startswith("mean"):
            of_all.setdefault((detector, perturbation), []).append(value)
        elif name == "ap" and group == "all" and value is not None:
            values.append(value)
    # a second time, beside the worst one, which is there where every set has a value
    values += [min(found) for found in of_all.values() if None not in found]  # type: ignore[type-var]
    assert sorted(shown) == sorted(f"{v:.3f}" for v in values)
    assert "fresh_one †" in text
    assert "it broke" in text


def test_unknown_names_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown metric 'aurocc', did you mean 'auroc'"):
        render(run, metrics=["aurocc"])
    with pytest.raises(UserError, match="unknown report format 'latex'"):
        render(run, formats=["latex"])
    with pytest.raises(UserError, match=r"no run\.json"):
        render(tmp_path)
    with pytest.raises(UserError, match="given twice"):
        render([run, run], out=tmp_path)


def test_metrics_are_computed_where_absent_or_outdated(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    before = load_metrics(copy)
    assert before["bootstrap"]["resamples"] == 50
    assert load_metrics(copy, bootstrap=0)["bootstrap"]["resamples"] == 0
    assert load_metrics(copy)["bootstrap"]["resamples"] == 0
    (copy / "metrics.json").unlink()
    assert load_metrics(copy, bootstrap=50) == before
    shutil.rmtree(next((copy / "scores").glob("detector=strong")))
    later = rows_of(*normal(120, 120, 4.0, seed=0))
    os.utime(write_shard(copy, Cell("strong", "AR/VAR", "none"), later), (1, 1))  # by a clock that went back
    after = load_metrics(copy, bootstrap=50)
    assert [c["status"] for c in after["cells"] if c["detector"] == "strong"].count("complete") == 1
    os.utime(copy / "metrics.json", (1, 1))
    assert load_metrics(copy) == after
    assert (copy / "metrics.json").stat().st_mtime == 1, "times alone are no reason to compute again"
    shutil.rmtree(copy / "scores")
    with pytest.raises(UserError, match=r"metrics\.json is of score files that are gone"):
        load_metrics(copy)
    assert json.loads((copy / "metrics.json").read_text(encoding="utf-8")) == after, "nothing is lost"
    (copy / "run.json").unlink()
    with pytest.raises(UserError, match=r"no run\.json"):
        load_metrics(copy, recompute=True)


def test_intervals_say_how_they_are_made_and_why_there_are_none(run: Path, tmp_path: Path) -> None:
    render(run, ["md", "csv"], ["auroc", "tpr_at_fpr_5", "ece"], out=tmp_path)
    text = (tmp_path / "leaderboard.md").read_text()
    sections = {part.split(" ", 1)[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)}
    assert "- Intervals: score interval, DeLong's variance." in sections["auroc"]
    assert "°" not in sections["auroc"]
    assert (
        "- ° no interval: 29 to 30 real pictures, at least 72 are needed for an interval\n"
        in sections["tpr_at_fpr_5"]
    )
    assert "(on 1 of 4 test sets)" in sections["tpr_at_fpr_5"], "the mean over all sets has none either"
    assert "- Intervals: order statistics" in sections["tpr_at_fpr_5"]
    assert "- ° no interval: it is biased upwards" in sections["ece"]
    assert "[" not in sections["ece"].split("over ")[0], "no interval"
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert all(bool(line["low"]) != line["interval"].startswith("none: ") for line in lines if line["value"])
    assert {line["interval"] for line in lines if line["metric"] == "auroc" and line["value"]} == {
        "score interval, DeLong's variance"
    }


def test_reasons_for_no_interval_that_differ_in_a_count_are_one_line(metrics: dict[str, Any]) -> None:
    few = copy.deepcopy(metrics)
    why = "real pictures, at least 100 are needed for an interval"
    for number, cell in enumerate(cell for cell in few["cells"] if cell["status"] == "complete"):
        cell.setdefault("no_interval", {})["ap"] = f"{30 + number} {why}"
    for mean in few["means"]:
        mean.setdefault("no_interval", {})["ap"] = f"30 {why} (on 2 of 2 test sets)"
    (board, *_) = boards([Run("", few)], ["ap"])
    counts = [int(entry.no_interval.split()[0]) for entry in board.entries.values() if entry.no_interval]
    found = [text for sign, text in interval_notes(board) if sign == "°"]
    assert min(counts) < max(counts)
    assert found == [f"no interval: {min(counts)} to {max(counts)} {why}"]


def test_intervals_of_unknown_coverage_are_marked(metrics: dict[str, Any]) -> None:
    """A submission of an older version has percentiles, a stranger's metric too."""
    older = copy.deepcopy(metrics)
    del older["metrics"]["ap"]["interval"]
    (board, *_) = boards([Run("", older)], ["ap"])
    row, column = next(key for key, entry in board.entries.items() if entry.low is not None)
    assert markdown_number(board.entries[row, column]).endswith("]?")
    assert ("?", "percentile bootstrap; its coverage was not measured") in interval_notes(board)
    (known, *_) = boards([Run("", metrics)], ["ap"])
    assert markdown_number(known.entries[row, column]).endswith("]")
