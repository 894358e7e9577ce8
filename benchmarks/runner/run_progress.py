"""Progress of a run: a bar over its pictures, or a line per test set where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from rich.console import Console

from benchmarks.progress import ProgressBar
from benchmarks.runner.pending import Job
from benchmarks.text import plain


def speed_line(test_set: str, pictures: int, seconds: float) -> str:
    """What is said of a test set that was scored."""
    return plain(f"{test_set}: {pictures} pictures, {pictures / seconds:.1f} images/s")


class RunProgress(Hook):
    """A bar over this process's pictures on a terminal; elsewhere one line per test set.

    processes: how many share them. What comes to each is only known at the end: the bar shows an equal share.
    """

    def __init__(self, jobs: Sequence[Job], console: Console, processes: int) -> None:
        self.console = console
        total = sum(len(job.pictures) for job in jobs)
        self.bar = ProgressBar("scoring", -(-total // processes), console=console)

    def before_test(self, runner: Any) -> None:
        self.bar.start()

    def before_test_epoch(self, runner: Any) -> None:
        self.began, self.pictures = time.monotonic(), 0
        self.bar.describe(runner.test_loop.job.test_set.name)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.pictures += len(data_batch)
        self.bar.advance(len(data_batch))

    def after_test_epoch(self, runner: Any, metrics: Any = None) -> None:
        if not self.console.is_terminal:
            seconds = time.monotonic() - self.began
            self.console.print(
                speed_line(runner.test_loop.job.test_set.name, self.pictures, seconds),
                markup=False,
                soft_wrap=True,
            )

    def after_test(self, runner: Any) -> None:
        self.bar.stop()
