"""A run with everything a report must show: odd names, an untrained, a partial and a failed detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.scores import Cell
from registry import load_plugins
from tests.metrics.samples import normal
from tests.runs import Rows, dataset, detector, failed, make_run, rows_of

ODD = "a_b & c|d 50% D³QE ü <x> {y}"
SETS = {
    "AR/VAR": dataset("AR", "VAR", 120, 120),
    f"AR/{ODD}": dataset("AR", ODD, 110, 110),
    "GAN/ProGAN": dataset("GAN", "ProGAN", 30, 30),
    "diffusion/SD_1.4": dataset("diffusion", "SD_1.4", 100, 100),
}
PERTURBATIONS = ("none", "jpeg:75")
REPORTED = {"on": "ARForensics, mean | of 7", "metric": "acc", "value": 0.8211, "source": "arXiv & co_2510"}


def rows(cell: Cell) -> Rows:
    asked = SETS[cell.dataset]["asked"]
    shift = {"strong": 4.0, ODD: 1.0}.get(cell.detector, 0.3)
    whole = rows_of(*normal(asked["real"], asked["fake"], shift, seed=len(cell.dataset + cell.perturbation)))
    if cell.detector == "stopped":
        return whole if cell.dataset == "AR/VAR" else []
    if cell.detector == "strong" and cell.dataset == "GAN/ProGAN":
        return [failed(whole[0], "truncated | file"), *whole[1:]]
    return whole


def evaluated(folder: Path, **changes: Any) -> Path:
    detectors = {
        "strong": detector(card={"reported": [REPORTED]}),
        ODD: detector(),
        "fresh_one": detector(untrained=True),
        "stopped": detector(failed="it broke"),
    }
    arguments: dict[str, Any] = {"detectors": detectors, "datasets": SETS, "rows": rows, **changes}
    run = make_run(folder, perturbations=PERTURBATIONS, **arguments)
    evaluate_run(run, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=50)
    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("report") / "run one")


@pytest.fixture(scope="session")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but one test set of that name held other pictures."""
    changed = {**SETS, "AR/VAR": dataset("AR", "VAR", 120, 120, fingerprint="cd" * 32)}
    return evaluated(tmp_path_factory.mktemp("report") / "run two", datasets=changed)


@pytest.fixture(scope="session")
def metrics(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return content
