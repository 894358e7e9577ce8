"""What is incomplete in a run, in lines for people."""

from __future__ import annotations

from pathlib import Path

from benchmarks.runfolder.metrics_file import MetricsFile
from benchmarks.runfolder.scores import read_scores

_SHOWN = 10


def incomplete(run: Path, metrics: MetricsFile) -> list[str]:
    """Nothing if every cell is complete; else the cells that are not and the pictures that failed."""
    lines = [
        f"{cell['status']}: {cell['detector']} on {cell['dataset']} ({cell['perturbation']}): {cell['reason']}"
        for cell in metrics["cells"]
        if cell["status"] != "complete"
    ]
    if not lines:
        return []
    frame = read_scores(run)
    failed = frame[frame["error"].notna()].drop_duplicates(["dataset", "path", "error"])
    pictures = [f"not scored: {row.dataset}: {row.path}: {row.error}" for row in failed.itertuples()]
    return [
        *_first(lines, "cells"),
        *_first(pictures, f"pictures, see the error column under {run / 'scores'}"),
    ]


def _first(lines: list[str], what: str) -> list[str]:
    if len(lines) <= _SHOWN:
        return lines
    return [*lines[:_SHOWN], f"… and {len(lines) - _SHOWN} more {what}"]
