"""What is timed side by side gives the same scores, and the scripts say what they measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import run_overhead, together, workers
from benchmarks.speed.planned import logits_of, only, planned, score
from registry import UserError

MINI = ["univfd_mini", "cnnspot_mini"]


def test_the_plain_loop_gives_the_scores_of_a_run(tmp_path: Path) -> None:
    run_overhead.make_pictures(tmp_path / "data", 5)
    plan = planned(tmp_path / "data", MINI, batch_size=2)
    root = plan.test_sets[0].root
    for name in MINI:
        alone = only(plan, [name])
        found = logits_of(score(alone, tmp_path / "runs"))
        files = [root / path for _, path in found]
        assert len(files) == 5
        assert run_overhead.plain_loop(alone, files, 2) == pytest.approx([*found.values()], abs=1e-5)


def test_one_run_of_all_gives_the_scores_of_runs_of_each(tmp_path: Path) -> None:
    run_overhead.make_pictures(tmp_path / "data", 3)
    plan = planned(tmp_path / "data", MINI, batch_size=2)
    both = logits_of(score(plan, tmp_path / "runs"))
    apart = logits_of(*(score(only(plan, [name]), tmp_path / "runs") for name in MINI))
    assert both == apart
    assert len(both) == 6


def test_workers_change_no_score(tmp_path: Path) -> None:
    run_overhead.make_pictures(tmp_path / "data", 6, (40, 30), "jpg")
    plan = planned(tmp_path / "data", ["cheap"], batch_size=2, plugins=[Path(workers.__file__)])
    alone, helped = (logits_of(score(plan, tmp_path / "runs", workers=number)) for number in (0, 1))
    assert alone == helped
    assert len({*alone.values()}) == 6


def test_a_detector_that_does_not_exist_is_said(tmp_path: Path) -> None:
    run_overhead.make_pictures(tmp_path / "data", 2)
    with pytest.raises(UserError, match="univfd_mini"):
        planned(tmp_path / "data", ["univfd_minni"])


def test_the_scripts_print_their_tables(capsys: pytest.CaptureFixture[str]) -> None:
    run_overhead.main("cnnspot_mini", pictures=2, batch_size=2, rounds=1)
    workers.main("cheap", workers="0,1", pictures=2, width=30, height=20, batch_size=2, rounds=1)
    together.main(",".join(MINI), pictures=2, batch_size=2, rounds=1, protocol="original")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines if line[0] in {*MINI, "cheap"}] == [
        "cnnspot_mini",
        "cheap",
        "cheap",
        *MINI,
    ]
    assert [line[:2] for line in lines][-2:] == [["2", "runs"], ["one", "run"]]


@pytest.mark.slow
def test_runs_by_the_command_are_those_of_the_plan(tmp_path: Path) -> None:
    run_overhead.make_pictures(tmp_path / "data", 3)
    command = together.commanded(tmp_path / "data", tmp_path / "runs", ["--bootstrap", "0"], MINI)
    assert logits_of(command) == logits_of(score(planned(tmp_path / "data", MINI), tmp_path / "runs"))
    with pytest.raises(UserError, match="ended with code 2"):
        together.commanded(tmp_path / "data", tmp_path / "runs", [], ["none_such"])
