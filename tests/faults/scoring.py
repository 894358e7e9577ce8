"""The run that most faults befall."""

from __future__ import annotations

from pathlib import Path

from tests.runner.test_run import PLUGIN


def scoring(data: Path, out: Path, resamples: int = 0) -> list[str | Path]:
    """Arguments of `d3qe-bench` that score pictures by their brightness."""
    return [
        *("run", "--data", data, "--plugin", PLUGIN, "--detectors", "brightness"),
        *("--bootstrap", str(resamples), "--out", out),
    ]
