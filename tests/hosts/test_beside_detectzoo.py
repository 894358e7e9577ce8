"""Measured beside DetectZoo is the same work: both give the same scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hosts.installed import NEEDS_DETECTZOO

pytestmark = NEEDS_DETECTZOO

CODE = """
import json, sys
from pathlib import Path
from benchmarks.runfolder.scores import read_scores
from benchmarks.speed import beside_detectzoo
from benchmarks.speed.planned import planned
from benchmarks.speed.run_overhead import make_pictures

folder, names = Path(sys.argv[1]), ["univfd_mini", "cnnspot_mini"]
make_pictures(folder / "data", 6)
theirs = beside_detectzoo.there(folder / "data", names, device="cpu")()
run = beside_detectzoo.here(planned(folder / "data", names, batch_size=4), folder / "runs")
ours = read_scores(run).sort_values(["detector", "label", "path"])
print(json.dumps({
    "theirs": {name: sorted([one["label"], one["score"]] for one in found["samples"]) for name, found in theirs.items()},
    "ours": {name: sorted(map(list, zip(rows["label"], rows["score"]))) for name, rows in ours.groupby("detector")},
}))
beside_detectzoo.main("cnnspot_mini", pictures=2, batch_size=2, rounds=1, protocol="original")
"""


def test_both_give_the_same_scores(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    found = json.loads(next(line for line in lines if line.startswith("{")))
    assert found["ours"].keys() == found["theirs"].keys() == {"univfd_mini", "cnnspot_mini"}
    for name, rows in found["ours"].items():
        assert len(rows) == 6
        for ours, theirs in zip(rows, found["theirs"][name], strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)
    assert lines[-1].startswith("DetectZoo takes ")
