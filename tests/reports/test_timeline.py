"""Detectors over release dates: means before and after, and what is refused."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.metrics.intervals import Limits
from benchmarks.reports.timeline import change_of_means
from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.replicates import kept_replicates
from benchmarks.runfolder.scores import Cell
from registry import UserError, load_plugins
from tests.metrics.samples import normal
from tests.runs import Rows, dataset, detector, failed, make_run, rows_of

GENERATORS = {"ProGAN": "GAN", "BigGAN": "GAN", "VAR": "AR", "LlamaGen": "AR", "Midjourney": "diffusion"}
SETS = {f"{paradigm}/{name}": dataset(paradigm, name, 30, 30) for name, paradigm in GENERATORS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def rows(cell: Cell) -> Rows:
        shift = 2.5 if cell.dataset.startswith("GAN") else 0.7
        found = rows_of(*normal(30, 30, shift, seed=len(cell.dataset) + len(cell.detector)))
        partial = (cell.detector, cell.dataset) == ("other", "AR/LlamaGen")
        return [failed(found[0], "broken"), *found[1:]] if partial else found

    run = make_run(
        tmp_path_factory.mktemp("timeline") / "run", {"one": detector(), "other": detector()}, SETS, rows
    )
    evaluate_run(run, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=40)
    return run


def timeline(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["timeline", *map(str, arguments)])


def test_means_before_and_after_and_the_interval_of_their_difference(folder: Path, tmp_path: Path) -> None:
    done = timeline(folder, "--until", "2018-09", "--until", "other=2024-04", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    cells = json.loads((folder / "metrics.json").read_text())["cells"]
    auroc = {(c["detector"], c["generator"]): c["metrics"]["auroc"] for c in cells}
    limits = {
        c["dataset"]: (c["metrics"]["auroc"], *c["ci"]["auroc"]) for c in cells if c["detector"] == "one"
    }
    known = np.mean([auroc["one", "ProGAN"], auroc["one", "BigGAN"]])
    later = np.mean([auroc["one", "VAR"], auroc["one", "LlamaGen"]])
    drawn = {
        cell.dataset: found["auroc"]
        for (cell, _), found in kept_replicates(folder, "none", ["auroc"]).items()
        if cell.detector == "one"
    }
    signs = {"GAN/ProGAN": -1, "GAN/BigGAN": -1, "AR/VAR": 1, "AR/LlamaGen": 1}
    below = above = (
        0.0  # MOVER: squares and products of the distances to the limits, crosswise for what is taken away
    )
    for a, b in itertools.product(signs, repeat=2):
        r = np.corrcoef(drawn[a], drawn[b])[0, 1]
        down, up = (
            {k: value[0] - value[1] for k, value in limits.items()},
            {k: value[2] - value[0] for k, value in limits.items()},
        )
        below += (
            r
            * signs[a]
            * signs[b]
            / 4
            * (down if signs[a] > 0 else up)[a]
            * (down if signs[b] > 0 else up)[b]
        )
        above += (
            r
            * signs[a]
            * signs[b]
            / 4
            * (up if signs[a] > 0 else down)[a]
            * (up if signs[b] > 0 else down)[b]
        )
    low, high = later - known - below**0.5, later - known + above**0.5
    assert (
        f"one, auroc: {known:.3f} on 2 sets known until 2018-09, {later:.3f} on 2 later, "
        f"change {later - known:+.3f} [{low:+.3f}, {high:+.3f}]"
    ) in done.output
    # a cell that lacks a picture is no value
    assert "on 3 sets known until 2024-04, – on 0 later\n" in done.output
    rows = {
        (row["detector"], row["generator"]): row
        for row in csv.DictReader((tmp_path / "timeline.csv").read_text().splitlines())
    }
    assert rows["one", "VAR"]["months"] == str(5 * 12 + 7)
    assert rows["one", "ProGAN"]["months"] == "-11"
    assert (rows["one", "Midjourney"]["released"], rows["one", "Midjourney"]["months"]) == ("", "")
    assert rows["other", "LlamaGen"]["value"] == ""
    text = (tmp_path / "timeline.md").read_text()
    assert (
        text.index("| 2017-10 | GAN/ProGAN")
        < text.index("| 2024-06 | AR/LlamaGen")
        < text.index("| unknown |")
    )
    page = (tmp_path / "timeline.html").read_text()
    assert page.count("<svg") == 1
    assert "arXiv 2404.02905" in page
    assert (tmp_path / "timeline.svg").read_text().startswith("<svg")


def test_an_unknown_date_can_be_told(folder: Path, tmp_path: Path) -> None:
    done = timeline(folder, "--until", "2018-09", "--released", "Midjourney=2023-03", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "2023-03   diffusion/Midjourney" in done.output
    assert "on 3 later" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--until", "2018"], "a month is written YYYY-MM"),
        (["--until", "on=2018-01"], "did you mean 'one'?"),
        (["--until", "2018-01", "--metric", "aurok"], "did you mean 'auroc'?"),
        (["--until", "2018-01", "--released", "Midjourny=2023-03"], "did you mean 'Midjourney'?"),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: list[str], message: str) -> None:
    done = timeline(folder, *arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)


def test_without_any_date_it_says_how_to_tell_one(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        {"one": detector()},
        {"x": dataset("unknown", "nobody", 10, 10)},
        lambda cell: rows_of(*normal(10, 10, 1.0, seed=1)),
    )
    done = timeline(run, "--until", "2018-01")
    assert "say them with --released GENERATOR=YYYY-MM" in str(done.exception)


def test_sets_without_variance_do_not_cancel() -> None:
    """Of means apart, what is not known to go along is independent: two sets whose resamples do not vary."""
    one = Limits(0.5, 0.3, 0.6)
    change = change_of_means([one], [one], [np.ones(9), np.ones(9)])
    assert (change.low, change.high) == pytest.approx((-(0.05**0.5), 0.05**0.5))
