"""Run folders with made-up scores, for tests of metrics and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import write_json
from benchmarks.runfolder.record import RunRecord, make_record
from benchmarks.runfolder.scores import Cell, write_shard

Rows = list[dict[str, Any]]


def rows_of(labels: np.ndarray, logits: np.ndarray) -> Rows:
    """Score rows of pictures `0000.png`, `0001.png`, …"""
    score = 1 / (1 + np.exp(-logits.astype(float)))
    return [
        {"path": f"{i:04d}.png", "label": int(y), "logit": float(x), "score": float(p), "error": None}
        for i, (y, x, p) in enumerate(zip(labels, logits, score, strict=True))
    ]


def failed(row: Mapping[str, Any], error: str) -> dict[str, Any]:
    """The row of a picture that could not be scored."""
    return {**row, "logit": None, "score": None, "error": error}


def detector(untrained: bool = False, failed: str | None = None, **more: Any) -> dict[str, Any]:
    """A detector's part of run.json."""
    parts = ["head"] if untrained else []
    return {
        "untrained": untrained,
        "untrained_parts": parts,
        "failed": failed,
        "card": {},
        "weights": None,
        **more,
    }


def dataset(
    paradigm: str, generator: str, real: int, fake: int, fingerprint: str = "ab" * 32
) -> dict[str, Any]:
    """A test set's part of run.json."""
    return {
        "paradigm": paradigm,
        "generator": generator,
        "asked": {"real": real, "fake": fake},
        "fingerprint": fingerprint,
    }


def record(datasets: Mapping[str, Mapping[str, Any]], **more: Any) -> RunRecord:
    """A run's record of test sets alone."""
    return make_record({"schema": 1, "detectors": {}, "datasets": datasets, "perturbations": [], **more})


def make_run(
    run: Path,
    detectors: Mapping[str, Mapping[str, Any]],
    datasets: Mapping[str, Mapping[str, Any]],
    rows: Callable[[Cell], Rows],
    perturbations: tuple[str, ...] = ("none",),
) -> Path:
    """Write a run folder; `rows` gives each cell's score rows, none for a cell without files."""
    request = {
        "schema": 1,
        "detectors": detectors,
        "datasets": datasets,
        "perturbations": perturbations,
        "seed": 0,
    }
    write_json(run / "run.json", request)
    for name in detectors:
        for data, facts in datasets.items():
            for perturbation in perturbations:
                cell = Cell(name, data, perturbation)
                own = {"paradigm": facts["paradigm"], "generator": facts["generator"]}
                if found := rows(cell):
                    write_shard(run, cell, [{**own, **row} for row in found], name="scores")
    return run
