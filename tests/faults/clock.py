"""A clock that is wrong, in the process that calls `is_off`; and files that were written by it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path


def is_off(seconds: float, killed: bool = False) -> None:
    """Let the clock of this process go wrong by so much. killed: before it computes metrics."""
    right, exact = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: exact() + int(seconds * 1e9)
    if killed:
        import benchmarks.runfolder.evaluate

        def ends(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        benchmarks.runfolder.evaluate.evaluate_run = ends  # type: ignore[assignment]


def times(folder: Path) -> dict[Path, int]:
    """When each file of a folder was written, in nanoseconds."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def write_as_of(folder: Path, before: Mapping[Path, int], seconds: float) -> None:
    """Give files that were written since `before` the times that a clock wrong by so much gives them."""
    for file, written in times(folder).items():
        if before.get(file) != written:
            os.utime(file, ns=(written + int(seconds * 1e9),) * 2)
