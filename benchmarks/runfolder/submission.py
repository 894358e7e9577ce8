"""A submission: everything a reviewer needs of one detector of one run, in one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
from pydantic import with_config

# pydantic asks for this TypedDict before Python 3.12
from typing_extensions import TypedDict

from benchmarks.metrics.cell import COMPLETE
from benchmarks.runfolder.document import (
    LENIENT,
    SCHEMA_VERSION,
    Count,
    Hash,
    SchemaVersion,
    read_document,
    validated,
)
from benchmarks.runfolder.metrics_file import (
    Bootstrap,
    Calibrated,
    Mean,
    MetricCell,
    MetricFacts,
    MetricsFile,
)
from benchmarks.runfolder.record import (
    DetectorRecord,
    RunRecord,
    dumped,
    make_record,
    read_record,
)
from benchmarks.runfolder.scores import read_cell
from registry.errors import UserError, unknown_name

FACTS = (
    "name", "options", "protocol", "weights", "trained_on", "training", "identity", "encoders", "inputs", "untrained", "untrained_parts", "card"
)  # fmt: skip
"""What a row says of its detector, as run.json has it."""
PROVENANCE = ("command", "versions", "git", "device", "device_name", "dtype", "seed", "chains", "suites")


@with_config(LENIENT)
class ScoreDigest(TypedDict):
    """What pins the score rows of one cell; see `benchmarks.runfolder.submission.score_digests`."""

    dataset: str
    perturbation: str
    rows: Count
    sha256: Hash


@with_config(LENIENT)
class SubmissionFile(TypedDict):
    """One detector's row of the leaderboard. facts, provenance, datasets: as in run.json; the rest as in metrics.json."""

    schema: SchemaVersion
    detector: str
    facts: dict[str, Any]
    provenance: dict[str, Any]
    datasets: dict[str, dict[str, Any]]
    perturbations: list[str]
    bootstrap: Bootstrap
    calibrated: NotRequired[Calibrated]
    metrics: dict[str, MetricFacts]
    cells: list[MetricCell]
    means: list[Mean]
    scores: list[ScoreDigest]


def make_submission(run: Path, detector: str, metrics: MetricsFile) -> SubmissionFile:
    """The submission of one detector of a run.

    Raises:
        UserError: no such detector, or it is untrained or not complete on every test set.
    """
    record = read_record(run)
    if detector not in record.detectors:
        raise unknown_name("detector of this run", detector, record.detectors)
    row = submission_of(run, record, detector, metrics)
    if unworthy := not_worthy(detector, record.detectors[detector], row["cells"]):
        raise UserError(unworthy)
    return row


def submission_of(run: Path, record: RunRecord, detector: str, metrics: MetricsFile) -> SubmissionFile:
    """The row of a detector that the run has, whether or not it may be submitted."""
    content = dumped(record)
    facts = content["detectors"][detector]
    return validated(
        {
            "schema": SCHEMA_VERSION,
            "detector": detector,
            "facts": {key: facts.get(key) for key in FACTS},
            "provenance": {key: content[key] for key in PROVENANCE if key in content},
            "datasets": content["datasets"],
            "perturbations": record.perturbations,
            "bootstrap": metrics["bootstrap"],
            **({"calibrated": calibrated} if (calibrated := _calibrated(detector, metrics)) else {}),
            "metrics": metrics["metrics"],
            "cells": [cell for cell in metrics["cells"] if cell["detector"] == detector],
            "means": [mean for mean in metrics["means"] if mean["detector"] == detector],
            "scores": score_digests(run, record, detector),
        },
        SubmissionFile,
        detector,
    )


def score_digests(run: Path, record: RunRecord, detector: str) -> list[ScoreDigest]:
    """What pins the score files of a detector: per cell the number of rows and a SHA-256.

    The digest is over `path`, tab, label, tab, the float32 logit in hexadecimal (`-` where there is none)
    and a newline of every row, by path; so it does not depend on how the Parquet files were written.
    """
    found: list[ScoreDigest] = []
    for cell in record.cells():
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


def read_submission(path: Path) -> SubmissionFile:
    """A submission from its file; raises `UserError` as `read_document`."""
    return read_document(path, SubmissionFile)


def submitted_record(submission: SubmissionFile, source: str) -> RunRecord:
    """What a submission, read from `source`, says of the run that it is from, as far as it goes."""
    provenance = {key: submission["provenance"][key] for key in PROVENANCE if key in submission["provenance"]}
    facts = {key: value for key, value in submission["facts"].items() if value is not None}
    return make_record(
        {
            "schema": SCHEMA_VERSION,
            **provenance,
            "detectors": {submission["detector"]: facts},
            "datasets": submission["datasets"],
            "perturbations": submission["perturbations"],
        },
        source,
    )


def is_submission(path: Path) -> bool:
    """True for a JSON file that looks like a submission, whether or not it holds up."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"detector", "scores"} <= set(found)


def _calibrated(detector: str, metrics: MetricsFile) -> Calibrated | None:
    """What was chosen for one detector, where a validation set was."""
    known = metrics.get("calibrated")
    if not known:
        return None
    own = {
        key: {detector: of[detector]} if isinstance(of, dict) and detector in of else of
        for key, of in known.items()
    }
    return validated(own, Calibrated, "calibrated")


def not_worthy(detector: str, facts: DetectorRecord, cells: Sequence[MetricCell]) -> str:
    """Why a detector's row is not to be submitted; empty where it is."""
    if facts.untrained:
        return f"{detector} ran untrained: such a row says nothing and is not submitted"
    incomplete = [
        f"{cell['dataset']} under {cell['perturbation']}: {cell['reason']}"
        for cell in cells
        if cell["status"] != COMPLETE
    ]
    if incomplete:
        return f"{detector} is not complete on {len(incomplete)} of {len(cells)} cells; first {incomplete[0]}"
    return ""
