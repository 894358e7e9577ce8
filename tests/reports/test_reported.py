"""Measured numbers beside published ones: columns of their own, a difference only where it means something."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.reports import print_runs, render
from benchmarks.reports.load import read_runs
from benchmarks.reports.reported import comparisons
from tests.reports.conftest import ODD, evaluated


def figure(detector: str, on: str, value: float, metric: str = "ap", **more: Any) -> dict[str, Any]:
    return {
        "detector": detector,
        "on": on,
        "metric": metric,
        "perturbation": "none",
        "value": value,
        "source": "a_paper | arXiv",
        **more,
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = evaluated(tmp_path_factory.mktemp("reported") / "run")
    cells = json.loads((folder / "metrics.json").read_text())["cells"]
    (var,) = (c for c in cells if (c["detector"], c["dataset"], c["perturbation"]) == (ODD, "AR/VAR", "none"))
    low, high = var["ci"]["ap"]
    record = json.loads((folder / "run.json").read_text())
    record["reported"] = [
        figure(ODD, "AR/VAR", (low + high) / 2),
        figure(ODD, "AR mean of 2", 0.123, differs="trained on <b>other</b> pictures"),
        figure(ODD, "AR/VAR", 0.5, perturbation="jpeg:75"),
        figure("strong", "GAN/ProGAN", 0.9),
        figure("fresh_one", "AR/VAR", 0.9),
        figure("strong", "AR/Elsewhere", 0.7),
        figure("strong", "AR mean of 7", 0.7),
        figure("strong", "AR/VAR", 0.8211, metric="acc"),
    ]
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_difference_and_interval(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    found = {(c.row.detector, c.on, c.metric, c.perturbation): c for c in comparisons(read_runs([run]))}
    assert len(found) == 8
    for cell in metrics["cells"]:
        if cell["detector"] == ODD and cell["dataset"] == "AR/VAR":
            one = found[ODD, "AR/VAR", "ap", cell["perturbation"]]
            assert one.difference == pytest.approx(cell["metrics"]["ap"] - one.reported)
            low, high = cell["ci"]["ap"]
            assert one.holds is (low <= one.reported <= high)
    (mean,) = (
        m for m in metrics["means"] if (m["scope"], m["detector"], m["perturbation"]) == ("AR", ODD, "none")
    )
    assert found[ODD, "AR mean of 2", "ap", "none"].difference == pytest.approx(mean["metrics"]["ap"] - 0.123)
    assert found[ODD, "AR mean of 2", "ap", "none"].holds is False
    assert found[ODD, "AR/VAR", "ap", "none"].holds is True
    for key in (
        ("strong", "GAN/ProGAN"),
        ("fresh_one", "AR/VAR"),
        ("strong", "AR/Elsewhere"),
        ("strong", "AR mean of 7"),
    ):
        one = found[*key, "ap", "none"]
        assert (one.difference, one.holds) == (None, None), key
    assert found["strong", "GAN/ProGAN", "ap", "none"].mark == "‡"
    assert found["fresh_one", "AR/VAR", "ap", "none"].mark == "†"
    assert found["strong", "AR mean of 7", "ap", "none"].mark == "not measured"


def test_every_format_shows_both_in_columns_of_their_own(run: Path, tmp_path: Path) -> None:
    render(run, metrics=["acc"], out=tmp_path)
    text = (tmp_path / "leaderboard.md").read_text("utf-8")
    part = text.split("## Measured and reported")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    assert [c.strip() for c in lines[0].strip("|").split("|")][4:8] == [
        "measured",
        "interval",
        "reported",
        "difference",
    ]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[1:]]
    assert len(cells) == 8
    assert all(len(row) == 10 for row in cells)
    assert [row[6].strip() for row in cells][1] == "0.1230"
    assert "trained on &lt;b&gt;other&lt;/b&gt; pictures" in part
    assert "## Reported elsewhere" not in text, "the card's figure stands beside the measured one"

    lines = list(
        csv.DictReader(io.StringIO((tmp_path / "leaderboard.measured_and_reported.csv").read_text("utf-8")))
    )
    for line in lines:
        if line["difference"]:
            assert float(line["difference"]) == pytest.approx(
                float(line["measured"]) - float(line["reported"])
            )
            inside = float(line["low"]) <= float(line["reported"]) <= float(line["high"])
            assert line["in_interval"] == ("yes" if inside else "no")
    assert [line["status"] for line in lines].count("not measured") == 2

    tex = (tmp_path / "leaderboard.tex").read_text("utf-8")
    assert r"\caption{Measured and reported." in tex
    assert tex.count("{") == tex.count("}")
    page = (tmp_path / "leaderboard.html").read_text("utf-8")
    assert (
        page.count(
            '<tr><th scope="row">', page.index('id="beside-reported"'), page.index('id="h-provenance"')
        )
        == 8
    )
    assert "trained on &lt;b&gt;other&lt;/b&gt; pictures" in page

    stream = io.StringIO()
    print_runs(read_runs([run]), Console(width=100, file=stream, color_system=None), ["acc"])
    assert "measured and reported" in stream.getvalue()
    assert all(len(line) <= 100 for line in stream.getvalue().splitlines())


def test_a_run_records_the_figures_of_its_configuration(tmp_path: Path, invoke: Any) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data: [mini]\ngenerators: [raster]\ndetectors: [{name: random_score}]\nlimit: 5\nbootstrap: 0\n"
        f"out: {tmp_path / 'run'}\n"
        "reported:\n"
        "  - {detectors: [random_score, other], metric: acc, values: {mini/raster: 0.5, AR mean of 1: 0.5}, source: chance}\n"
    )
    done = invoke("run", config)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert [(one["detector"], one["on"]) for one in record["reported"]] == [
        ("random_score", "mini/raster"),
        ("random_score", "AR mean of 1"),
    ]
    assert all(c.difference is not None for c in comparisons(read_runs([tmp_path / "run"])))
    again = invoke(
        "run",
        "--data",
        "mini",
        "--generators",
        "raster",
        "--detectors",
        "random_score",
        "--limit",
        "5",
        "--bootstrap",
        "0",
        "--out",
        tmp_path / "run",
    )
    assert again.code == 0, again.err
    assert "measured and reported" in again.out, "a command without the configuration keeps its figures"
    config.write_text(config.read_text().replace("metric: acc", "metric: accc"))
    refused = invoke("run", config)
    assert (refused.code, "did you mean 'acc'" in refused.err) == (2, True)
    config.write_text(config.read_text().replace("metric: accc", "metric: acc").replace("0.5,", "50,"))
    assert "less than or equal to 1, got 50" in invoke("run", config).err
