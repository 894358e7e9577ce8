"""Suite means, worst conditions and areas of curves, against the numbers of metrics.json."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import auc

from benchmarks.reports import print_runs, render
from benchmarks.reports.load import read_runs
from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.replicates import kept_replicates
from benchmarks.runfolder.scores import Cell
from registry import load_plugins
from tests.metrics.samples import normal
from tests.runs import Rows, dataset, detector, make_run, rows_of

CONDITIONS = ("none", "jpeg:90", "jpeg:70", "jpeg:50", "messenger", "chain:blur:1,jpeg:70")
WEIGHTS = {"messenger": 3.0, "jpeg:50": 1.0}
SETS = {"AR/VAR": dataset("AR", "VAR", 40, 40), "GAN/ProGAN": dataset("GAN", "ProGAN", 30, 30)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def rows(cell: Cell) -> Rows:
        shift = {"strong": 2.5, "weak": 0.8}[cell.detector] * (1 - CONDITIONS.index(cell.perturbation) / 8)
        asked = SETS[cell.dataset]["asked"]
        return rows_of(*normal(asked["real"], asked["fake"], shift, seed=len(cell.perturbation)))

    run = make_run(
        tmp_path_factory.mktemp("robust") / "run",
        {"strong": detector(), "weak": detector()},
        SETS,
        rows,
        perturbations=CONDITIONS,
    )
    content = json.loads((run / "run.json").read_text())
    content |= {"chains": {"messenger": "chain:fit:1600,jpeg:70"}, "suites": {"own": WEIGHTS}}
    (run / "run.json").write_text(json.dumps(content))
    evaluate_run(run, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=60)
    render([run])
    return run


def table(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / f"leaderboard.{name}.csv").read_text().splitlines()))


def mean_of(folder: Path, detector: str, condition: str, metric: str) -> float:
    means = json.loads((folder / "metrics.json").read_text())["means"]
    (found,) = (
        m for m in means if (m["detector"], m["perturbation"], m["scope"]) == (detector, condition, "all")
    )
    value: float = found["metrics"][metric]
    return value


def interval_of(folder: Path, detector: str, condition: str, metric: str) -> list[float]:
    means = json.loads((folder / "metrics.json").read_text())["means"]
    (found,) = (
        m for m in means if (m["detector"], m["perturbation"], m["scope"]) == (detector, condition, "all")
    )
    bounds: list[float] = found["ci"][metric]
    return bounds


def test_a_suites_mean_weighs_its_conditions_and_has_a_paired_interval(folder: Path) -> None:
    rows = table(folder, "suites")
    assert len(rows) == 2 * 3 * 3
    for name in ("strong", "weak"):
        (mean,) = (
            row
            for row in rows
            if (row["detector"], row["metric"], row["condition"]) == (name, "auroc", "suite mean")
        )
        values = [mean_of(folder, name, condition, "auroc") for condition in WEIGHTS]
        assert float(mean["value"]) == pytest.approx((3 * values[0] + values[1]) / 4)
        # the limits of the conditions' own means, put together with the correlation of their replicates
        own = np.array([interval_of(folder, name, condition, "auroc") for condition in WEIGHTS]).T
        drawn = np.zeros((2, 60))
        for number, condition in enumerate(WEIGHTS):
            for (cell, _), replicates in kept_replicates(folder, condition, ["auroc"]).items():
                drawn[number] += replicates["auroc"] * (cell.detector == name)
        r = np.corrcoef(drawn)[0, 1]
        (a, b), (c, d) = (np.abs(own - values) * [0.75, 0.25]).tolist()
        low = float(mean["value"]) - (a * a + b * b + 2 * r * a * b) ** 0.5
        high = float(mean["value"]) + (c * c + d * d + 2 * r * c * d) ** 0.5
        assert (float(mean["low"]), float(mean["high"])) == pytest.approx((low, high))
        assert low < float(mean["value"]) < high


def test_curves_have_the_area_that_scikit_learn_gives(folder: Path) -> None:
    rows = table(folder, "curves")
    assert {row["perturbation"] for row in rows} == {"jpeg"}  # neither a chain nor a name has a strength
    mine: list[dict[str, Any]] = [row for row in rows if (row["detector"], row["metric"]) == ("weak", "ap")]
    strengths = [float(row["strength"]) for row in mine]
    values = [float(row["value"]) for row in mine]
    assert strengths == [50, 70, 90]
    assert values == pytest.approx([mean_of(folder, "weak", f"jpeg:{s:g}", "ap") for s in strengths])
    assert float(mine[0]["area"]) == pytest.approx(auc(strengths, values) / 40)


def test_text_and_page_show_suite_worst_condition_and_area(folder: Path) -> None:
    worst = min(WEIGHTS, key=lambda condition: mean_of(folder, "strong", condition, "ap"))
    text = (folder / "leaderboard.md").read_text()
    part = text.partition("## Suite own: ap (higher is better)")[2]
    (row,) = (line for line in part.splitlines()[:12] if line.startswith("| strong |"))
    assert f"| {worst} | {mean_of(folder, 'strong', worst, 'ap'):.4f} |" in row
    assert "## Robustness curves" in text
    page = (folder / "leaderboard.html").read_text()
    assert "Suite own: ap" in page
    assert "jpeg 50 to 90" in page


def test_the_terminal_shows_a_suite_and_not_each_of_its_conditions(folder: Path) -> None:
    printed = Console(width=100, record=True, file=io.StringIO())
    print_runs(read_runs([folder]), printed, ["ap"])
    text = printed.export_text()
    titles = [line.strip() for line in text.splitlines() if "is better)" in line]
    alone = [condition for condition in CONDITIONS if condition not in WEIGHTS and condition != "none"]
    assert alone
    assert titles == [
        "ap (higher is better), clean pictures",
        *(f"ap (higher is better), {condition}" for condition in alone),
        "ap (higher is better), suite own",
    ]
    assert "leaderboard.md" in text


def test_a_run_without_conditions_has_no_such_section(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        {"strong": detector(), "weak": detector()},
        SETS,
        lambda cell: rows_of(*normal(10, 10, 1.0, seed=1)),
    )
    render([run], ["md", "csv"], bootstrap=0)
    assert "Robustness" not in (run / "leaderboard.md").read_text()
    assert table(run, "suites") == table(run, "curves") == []
