"""A submission: everything a reviewer needs of one detector of one run, in one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.request import SCHEMA_VERSION, Request, read_json, read_request
from benchmarks.scores import read_cell
from registry.errors import UserError, unknown_name

PROVENANCE = ("command", "versions", "git", "device", "device_name", "dtype", "seed")
METRICS_PART = ("bootstrap", "metrics", "cells", "means")


def make_row(run: Path, detector: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one detector. metrics: the run's metrics.json.

    Raises:
        UserError: no such detector, or it is untrained or not complete on every test set.
    """
    request = read_request(run)
    if detector not in request.detectors:
        raise unknown_name("detector of this run", detector, request.detectors)
    facts = request.detectors[detector]
    mine = {part: [x for x in metrics[part] if x["detector"] == detector] for part in ("cells", "means")}
    _check_worthy(detector, facts, mine["cells"])
    record = read_json(Path(run, "run.json"))
    return {
        "schema": SCHEMA_VERSION,
        "detector": detector,
        "facts": {key: facts.get(key) for key in ("card", "weights", "untrained", "untrained_parts")},
        "provenance": {key: record[key] for key in PROVENANCE if key in record},
        "datasets": {name: dict(facts) for name, facts in request.datasets.items()},
        "perturbations": list(request.perturbations),
        "bootstrap": metrics["bootstrap"],
        "metrics": metrics["metrics"],
        **mine,
        "scores": score_digests(run, request, detector),
    }


def score_digests(run: Path, request: Request, detector: str) -> list[dict[str, Any]]:
    """What pins the score files of a detector: per cell the number of rows and a SHA-256.

    The digest is over `path`, tab, label, tab, the float32 logit in hexadecimal (`-` where there is none)
    and a newline of every row, by path; so it does not depend on how the Parquet files were written.
    """
    found = []
    for cell in request.cells():
        if cell.detector != detector:
            continue
        rows = read_cell(run, cell, ("path", "label", "logit"))
        digest = hashlib.sha256()
        for path, label, logit in zip(rows["path"], rows["label"], rows["logit"], strict=True):
            shown = "-" if np.isnan(logit) else np.float32(logit).tobytes().hex()
            digest.update(f"{path}\t{label}\t{shown}\n".encode())
        found.append(
            {
                "dataset": cell.dataset,
                "perturbation": cell.perturbation,
                "rows": len(rows),
                "sha256": digest.hexdigest(),
            }
        )
    return found


def read_row(path: Path) -> dict[str, Any]:
    """A row from its file; raises `UserError` for what is no submission."""
    row = read_json(path)
    missing = [key for key in ("detector", "datasets", "scores", *METRICS_PART) if key not in row]
    if missing:
        raise UserError(f"{path} is not a submission: it lacks {', '.join(missing)}")
    return row


def is_row(path: Path) -> bool:
    """True for a JSON file that looks like a submission, whether or not it holds up."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"detector", "scores"} <= set(found)


def _check_worthy(detector: str, facts: Mapping[str, Any], cells: list[Mapping[str, Any]]) -> None:
    if facts.get("untrained"):
        raise UserError(f"{detector} ran untrained: such a row says nothing and is not submitted")
    incomplete = [
        f"{cell['dataset']} under {cell['perturbation']}: {cell['reason']}"
        for cell in cells
        if cell["status"] != COMPLETE
    ]
    if incomplete:
        raise UserError(
            f"{detector} is not complete on {len(incomplete)} of {len(cells)} cells; first {incomplete[0]}"
        )
