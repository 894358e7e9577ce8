"""What may be ranked against what, and what is said where nothing may."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.reports import render
from benchmarks.reports.board import Board, BoardRow, Verdict, boards, warnings
from benchmarks.reports.load import Run, read_runs
from benchmarks.reports.notes import UNTESTED, legend, mark, notes, what_was_tested
from benchmarks.reports.site.pages import site
from benchmarks.runfolder.evaluate import evaluate_run
from registry import load_plugins
from tests.metrics.samples import normal
from tests.runs import dataset, detector, make_run, record, rows_of


def cell(detector: str, dataset: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {
        "detector": detector,
        "dataset": dataset,
        "paradigm": dataset.split("/")[0],
        "generator": dataset,
        "perturbation": "none",
        "untrained": False,
        "status": "complete",
        "reason": None,
        "metrics": {"ap": value, "eer": value},
        "ci": {"ap": None, "eer": None},
        "undefined": {} if value is not None else {"ap": "too few", "eer": "too few"},
        **more,
    }


def run(label: str, cells: list[dict[str, Any]], prints: Mapping[str, str] | None = None) -> Run:
    marks = prints or {}
    means = [
        {
            **{
                k: c[k]
                for k in ("detector", "perturbation", "untrained", "status", "reason", "metrics", "ci")
            },
            "scope": "all",
        }
        for c in {c["detector"]: c for c in cells}.values()
    ]
    directions = {"ap": {"higher_is_better": True}, "eer": {"higher_is_better": False}}
    return Run(
        label,
        {"cells": cells, "means": means, "metrics": directions},
        record({c["dataset"]: dataset("AR", "x", 1, 1, marks.get(c["dataset"], "same")) for c in cells}),
    )


def ranks(board: Board, column: str) -> dict[str, int | None]:
    (found,) = [c for c in board.columns if c.label == column and not c.is_mean]
    return {row.label: e.rank for row in board.rows if (e := board.entries.get((row, found)))}


def test_ranks_follow_the_direction_of_the_metric_and_ties_share_one() -> None:
    values = {"a": 0.9, "b": 0.5, "c": 0.900004, "d": 0.4}
    ap, eer = boards([run("r", [cell(d, "AR/VAR", v) for d, v in values.items()])], ["ap", "eer"])
    assert ranks(ap, "VAR") == {"a": 1, "b": 2, "c": 1, "d": 3}
    assert ranks(eer, "VAR") == {"a": 3, "b": 2, "c": 3, "d": 1}


def test_only_trained_and_complete_cells_are_ranked() -> None:
    cells = [
        cell("fresh", "AR/VAR", 0.99, untrained=True),
        cell("part", "AR/VAR", 0.98, status="partial", reason="3 pictures failed"),
        cell("none", "AR/VAR", None),
        cell("a", "AR/VAR", 0.7),
        cell("b", "AR/VAR", 0.6),
    ]
    (board,) = boards([run("r", cells)], ["ap"])
    assert ranks(board, "VAR") == {"fresh": None, "part": None, "none": None, "a": 1, "b": 2}


def test_one_detector_alone_is_not_the_best() -> None:
    (board,) = boards([run("r", [cell("a", "AR/VAR", 0.7)])], ["ap"])
    assert ranks(board, "VAR") == {"a": None}


def test_what_no_test_decides_is_ranked_by_value_and_not_marked() -> None:
    """Of a, b, c and d, best first, b was compared with nobody; c cannot be told from a, d can."""
    cells = [cell(name, "AR/VAR", value) for name, value in zip("abcd", (0.9, 0.8, 0.7, 0.6), strict=True)]

    def judge(metric: str, perturbation: str, pictures: Any, first: Any, second: Any) -> Verdict | None:
        pair = {first[1], second[1]}
        return (
            None
            if "b" in pair or not any(n == "AR/VAR" for n, _ in pictures)
            else Verdict("T", pair == {"a", "c"})
        )

    (board,) = boards([run("r", cells)], ["ap"], judge)
    (column,) = [c for c in board.columns if not c.is_mean]
    found = {row.label: board.entries[row, column] for row in board.rows}
    assert {name: (entry.rank, entry.test, mark(entry)) for name, entry in found.items()} == {
        "a": (1, "T", ""),
        "b": (2, "", ""),
        "c": (1, "T", "≈"),
        # behind b, with which it was not compared
        "d": (3, "", ""),
    }
    assert (
        what_was_tested(board)
        == "Tested by T on 1 test set; what no test decides, on 1 test set, is unmarked"
    )
    (unknown,) = boards([run("r", cells)], ["ap"])
    assert what_was_tested(unknown) == UNTESTED
    assert {entry.place for entry in unknown.entries.values()} == {0}
    (alone,) = boards([run("r", cells[:1])], ["ap"])
    assert what_was_tested(alone) == ""


def test_different_pictures_of_one_name_never_share_a_column() -> None:
    first = run("first", [cell("a", "AR/VAR", 0.7), cell("b", "AR/VAR", 0.6)], {"AR/VAR": "1" * 64})
    second = run("second", [cell("c", "AR/VAR", 0.9), cell("b", "AR/VAR", 0.8)], {"AR/VAR": "2" * 64})
    (board,) = boards([first, second], ["ap"])
    assert ranks(board, "VAR #11111111") == {"a": 1, "b (first)": 2}
    assert ranks(board, "VAR #22222222") == {"c": 1, "b (second)": 2}
    means = [c.label for c in board.columns if c.is_mean]
    assert means == ["mean of 1 with #11111111", "mean of 1 with #22222222"]
    (warning,) = warnings([first, second])
    assert "AR/VAR held different pictures in first (11111111) and in second (22222222)" in warning


def test_runs_over_the_same_pictures_make_one_ranking() -> None:
    first, second = run("first", [cell("a", "AR/VAR", 0.7)]), run("second", [cell("b", "AR/VAR", 0.9)])
    (board,) = boards([first, second], ["ap"])
    assert ranks(board, "VAR") == {"a": 2, "b": 1}
    assert warnings([first, second]) == []
    assert [(c.group, c.label) for c in board.columns] == [("AR", "VAR"), ("all", "mean of 1")]


def test_means_over_other_sets_are_other_columns() -> None:
    first = run("first", [cell("a", "AR/VAR", 0.7), cell("a", "GAN/x", 0.9)])
    second = run("second", [cell("b", "AR/VAR", 0.9)])
    (board,) = boards([first, second], ["ap"])
    assert [c.label for c in board.columns if c.is_mean] == ["mean of 2", "mean of 1"]
    assert all(e.rank is None for (_, column), e in board.entries.items() if column.is_mean)


def test_columns_are_grouped_by_paradigm() -> None:
    names = ["diffusion/a", "odd/b", "GAN/c", "AR/d", "AR/e"]
    (board,) = boards([run("r", [cell("x", n, 0.5) for n in names])], ["ap"])
    assert [c.group for c in board.columns] == ["AR", "AR", "GAN", "diffusion", "odd", "all"]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 100])
def test_blocks_hold_every_column_once_in_order(width: int) -> None:
    names = ["AR/a", "AR/b", "AR/c", "GAN/d", "diffusion/e", "diffusion/f"]
    (board,) = boards([run("r", [cell("x", n, 0.5) for n in names])], ["ap"])
    blocks = list(board.blocks(width))
    assert [c for block in blocks for c in block] == board.columns
    assert all(0 < len(block) <= width for block in blocks)
    if width == 4:
        assert [len(block) for block in blocks] == [4, 3]


def test_notes_name_each_reason_once_per_detector() -> None:
    cells = [
        cell("fresh", "AR/VAR", 0.9, untrained=True),
        cell("bad", "AR/VAR", None, status="failed", reason="no memory"),
        cell("bad", "AR/RAR", None, status="failed", reason="no memory"),
        cell("ok", "AR/VAR", None),
    ]
    (board,) = boards([run("r", cells)], ["ap"])
    assert notes(board) == [
        ("†", "fresh: weights untrained"),
        ("✗", "bad on AR VAR, AR RAR: no memory"),
        ("–", "ok on AR VAR: too few"),
    ]
    assert [sign for sign, _ in legend([board])] == ["†", "✗", "–"]
    assert board.rows[0] == BoardRow("r", "fresh", "fresh", True)


@pytest.mark.parametrize(("perturbation", "count"), [("none", 0), ("crop:0.5", 1)])
def test_other_seeds_are_warned_of_where_perturbations_are_random(perturbation: str, count: int) -> None:
    runs = [run(label, [cell("a", "AR/VAR", 0.7, perturbation=perturbation)]) for label in ("x", "y")]
    seeded = [Run(r.label, r.metrics, record(datasets={}, seed=i)) for i, r in enumerate(runs)]
    assert len(warnings(seeded)) == count
    if count:
        assert "The seed was 0 in x and 1 in y" in warnings(seeded)[0]


def test_a_mean_over_one_test_set_is_in_the_csv_alone(tmp_path: Path) -> None:
    sets = {name: dataset(name.split("/")[0], name, 100, 100) for name in ("AR/VAR", "AR/RAR", "GAN/ProGAN")}
    folder = make_run(
        tmp_path / "run",
        {"a": detector(), "b": detector()},
        sets,
        lambda cell: rows_of(*normal(100, 100, 1.0 + (cell.detector == "a"), seed=len(cell.dataset))),
    )
    evaluate_run(folder, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=20)
    (board,) = boards(read_runs([folder]), ["ap"])
    assert [(c.group, c.label) for c in board.shown] == [
        ("AR", "VAR"), ("AR", "RAR"), ("AR", "mean of 2"), ("GAN", "ProGAN"), ("all", "mean of 3"),
    ]  # fmt: skip
    assert [(c.group, c.label) for c in board.summary] == [
        ("AR", "mean of 2"), ("GAN", "ProGAN"), ("all", "mean of 3"),
    ]  # fmt: skip
    printed = Console(record=True, width=120, file=io.StringIO())
    written = render([folder], out=tmp_path / "out", metrics=["ap"], console=printed)
    texts = {file.name: file.read_text(encoding="utf-8") for file in written}
    texts |= {"terminal": printed.export_text(), **site(read_runs([folder]), ["ap"])}
    for name, text in texts.items():
        assert ("mean of 1" in text) == (name in ("leaderboard.csv", "leaderboard.losses.csv")), name
        if name in ("leaderboard.md", "leaderboard.tex", "terminal"):
            assert "on 3 test sets and 2 means" in text
    means = [row for row in csv.DictReader(texts["leaderboard.csv"].splitlines()) if row["is_mean"] == "true"]
    assert {(row["paradigm"], row["column"]) for row in means} == {
        ("AR", "mean of 2"), ("GAN", "mean of 1"), ("all", "mean of 3"),
    }  # fmt: skip
    # where there is one test set in all, it says what there is to say
    one = make_run(
        tmp_path / "one",
        {"a": detector(), "b": detector()},
        {"AR/VAR": sets["AR/VAR"]},
        lambda cell: rows_of(*normal(100, 100, 1.0, seed=len(cell.detector))),
    )
    (file,) = render([one], ["md"], out=tmp_path / "out", metrics=["ap"])
    assert "mean of" not in file.read_text(encoding="utf-8")
    assert "| AR: VAR |" in file.read_text(encoding="utf-8").partition("Threshold or signal")[2]
