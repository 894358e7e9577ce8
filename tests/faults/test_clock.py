"""Clocks that go back and forward between a run, a kill and a report: metrics are those of the scores that are there."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.faults import children
from tests.faults.clock import times, write_as_of
from tests.pictures import make_test_sets
from tests.runner.test_run import PLUGIN

pytestmark = pytest.mark.faults

DAYS = 10 * 86400.0


def metrics(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "metrics.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("first", "then"),
    [(0.0, -DAYS), (DAYS, 0.0), (0.0, DAYS), (-DAYS, 0.0)],
    ids=["back", "corrected back", "forward", "corrected forward"],
)
def test_old_metrics_are_never_shown_as_current(first: float, then: float, tmp_path: Path) -> None:
    data, log, out = make_test_sets(tmp_path / "data", 4), tmp_path / "log", tmp_path / "run"

    def at(seconds: float, *arguments: str | Path, killed: bool = False) -> int:
        before = times(out)
        started = children.start(*arguments, log=log, setup=("tests.faults.clock:is_off", (seconds, killed)))
        code = children.finish(started)
        write_as_of(out, before, seconds)
        return code

    def scoring(detectors: str, folder: Path = out) -> list[str | Path]:
        asked: list[str | Path] = ["run", "--data", data, "--plugin", PLUGIN, "--bootstrap", "10"]
        return [*asked, "--detectors", detectors, "--out", folder]

    both = "random_score,brightness"
    assert at(first, *scoring("random_score")) == 0, log.read_text()
    assert at(then, *scoring(both), killed=True) == -signal.SIGKILL
    assert {cell["detector"] for cell in metrics(out)["cells"]} == {"random_score"}  # type: ignore[attr-defined]
    assert at(then, "report", out, "--format", "md") == 0, log.read_text()

    assert at(0.0, *scoring(both, tmp_path / "undisturbed")) == 0, log.read_text()
    assert metrics(out) == metrics(tmp_path / "undisturbed")
    assert "brightness" in (out / "leaderboard.md").read_text("utf-8")

    written = times(out)[out / "metrics.json"]
    for now in (first, then):
        assert at(now, "report", out, "--format", "md") == 0, log.read_text()
    assert times(out)[out / "metrics.json"] == written, "nothing is computed again for a clock"
