"""Submissions through the public command: written, checked, refused, rendered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reports import render
from benchmarks.runfolder.scores import Cell, write_shard
from benchmarks.runfolder.submission import read_submission
from benchmarks.runfolder.submission_check import problems
from registry import UserError
from tests.conftest import Command
from tests.metrics.samples import normal
from tests.reports.conftest import evaluated
from tests.runs import Rows, dataset, detector, rows_of

SETS = {"AR/a": dataset("AR", "a", 50, 50), "GAN/b": dataset("GAN", "b", 40, 40)}


def rows(cell: Cell) -> Rows:
    asked = SETS[cell.dataset]["asked"]
    return rows_of(
        *normal(asked["real"], asked["fake"], {"one": 3.0, "two": 1.0}.get(cell.detector, 0.0), seed=2)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    detectors = {"one": detector(weights={"sha256": "f" * 64}), "two": detector()}
    return evaluated(tmp_path_factory.mktemp("submit") / "run", detectors=detectors, datasets=SETS, rows=rows)


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    out = tmp_path_factory.mktemp("rows")
    done = command("submit", run, "--out", out)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in out.iterdir()} == {"one.json", "two.json"}
    return out


def test_a_row_holds_what_a_reviewer_needs(run: Path, folder: Path) -> None:
    row = read_submission(folder / "one.json")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert row["cells"] == [cell for cell in metrics["cells"] if cell["detector"] == "one"]
    assert row["means"] == [mean for mean in metrics["means"] if mean["detector"] == "one"]
    assert row["facts"]["weights"] == {"sha256": "f" * 64}
    assert row["datasets"]["AR/a"]["fingerprint"] == "ab" * 32
    assert [s["rows"] for s in row["scores"]] == [100, 80, 100, 80]


def test_a_true_row_passes_the_check(run: Path, folder: Path, command: Command) -> None:
    done = command("submit", run, "--check", folder / "one.json")
    assert done.returncode == 0, done.stderr
    assert "every field is what" in done.stdout
    # however the Parquet files are cut
    copy = folder / "copy"
    shutil.copytree(run, copy)
    cell = Cell("one", "AR/a", "none")
    (old,) = cell.folder(copy).glob("*.parquet")
    old.unlink()
    for part in (rows(cell)[50:], rows(cell)[:50]):
        write_shard(copy, cell, part)
    assert problems(read_submission(folder / "one.json"), copy) == []
    shutil.rmtree(copy)


def raised(row: dict[str, Any]) -> None:
    row["cells"][0]["metrics"]["ap"] += 1e-6


def raised_mean(row: dict[str, Any]) -> None:
    row["means"][-1]["metrics"]["acc"] += 0.01


def narrowed(row: dict[str, Any]) -> None:
    row["cells"][1]["ci"]["auroc"][0] += 0.01


def dropped(row: dict[str, Any]) -> None:
    del row["cells"][0]


def other_data(row: dict[str, Any]) -> None:
    row["datasets"]["GAN/b"]["fingerprint"] = "00" * 32


def other_scores(row: dict[str, Any]) -> None:
    row["scores"][0]["sha256"] = "00" * 32


def fewer_scores(row: dict[str, Any]) -> None:
    row["scores"].pop()


def invented(row: dict[str, Any]) -> None:
    row["cells"][0]["metrics"]["tpr_at_fpr_1"] = 0.9


def hid_a_count(row: dict[str, Any]) -> None:
    row["cells"][0]["n_real"] = 49


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (raised, "cells[AR/a under none].metrics.ap: "),
        (raised_mean, "means[all under jpeg:75].metrics.acc: "),
        (narrowed, "bootstrap.resamples: with 50 "),
        (dropped, "cells[AR/a under none]: nothing in the row, {"),
        (other_data, "datasets.GAN/b.fingerprint: '0000"),
        (other_scores, "scores[AR/a under none].sha256: '0000"),
        (fewer_scores, "scores[GAN/b under jpeg:75]: nothing in the row, {"),
        (invented, "cells[AR/a under none].metrics.tpr_at_fpr_1: 0.9 in the row, None in the run"),
        (hid_a_count, "cells[AR/a under none].n_real: 49 in the row, 50 in the run"),
    ],
)
def test_a_false_row_is_refused(
    run: Path, folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    row = read_submission(folder / "one.json")
    change(row)
    found = problems(row, run)
    assert len(found) == (2 if change is narrowed else 1)
    assert found[0].startswith(message)


def test_the_command_names_the_difference_and_fails(
    run: Path, folder: Path, tmp_path: Path, command: Command
) -> None:
    row = read_submission(folder / "one.json")
    row["cells"][0]["metrics"]["ap"] = 0.999
    (tmp_path / "false.json").write_text(json.dumps(row))
    done = command("submit", run, "--check", tmp_path / "false.json")
    assert done.returncode == 1
    assert "false.json: cells[AR/a under none].metrics.ap: 0.999 in the row" in done.stderr


def test_untrained_and_incomplete_detectors_are_not_submitted(tmp_path: Path, command: Command) -> None:
    def some(cell: Cell) -> Rows:
        return rows(cell)[:-1] if cell.detector == "short" else rows(cell)

    detectors = {"fresh": detector(untrained=True), "short": detector()}
    run = evaluated(tmp_path / "run", detectors=detectors, datasets=SETS, rows=some)
    for name, message in (
        ("fresh", "ran untrained"),
        ("short", "not complete on 4 of 4 cells"),
        ("shrt", "did you mean 'short'"),
    ):
        done = command("submit", run, "--detectors", name, "--out", tmp_path / "rows")
        assert done.returncode == 2
        assert message in done.stderr
    assert not (tmp_path / "rows").exists()


def test_the_leaderboard_is_rendered_from_rows(
    run: Path, folder: Path, tmp_path: Path, command: Command
) -> None:
    done = command("report", folder, "--out", tmp_path / "site", "--metric", "ap")
    assert done.returncode == 0, done.stderr
    from_rows = (tmp_path / "site" / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
    render(run, ["csv"], ["ap"], out=tmp_path / "direct")
    direct = (tmp_path / "direct" / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[1:13] for line in from_rows] == [line.split(",")[1:13] for line in direct]
    assert "leaderboard.html" in done.stdout
    with pytest.raises(UserError, match="--out"):
        render(folder / "one.json")


def test_what_is_no_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"schema": 1, "detector": "a"}')
    with pytest.raises(UserError, match="facts: field required"):
        read_submission(tmp_path / "x.json")
    with pytest.raises(UserError, match=r"no run\.json"):
        render(tmp_path)
