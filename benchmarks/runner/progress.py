"""Progress on the terminal: pictures done, pictures per second, time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from benchmarks.runner.pending import Job


class PicturesPerSecond(ProgressColumn):
    """Speed since the task began; shared by every progress bar of the project."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("–" if speed is None else f"{speed:.1f} img/s", style="progress.data.speed")


def progress_bar(console: Console) -> Progress:
    """The project's progress bar; it draws nothing where the output is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        PicturesPerSecond(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )


class ProgressHook(Hook):
    """A bar over all pictures of this rank on a terminal; elsewhere one line per test set."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self.console = console
        self.total = sum(len(job.pictures) for job in jobs)
        self.bar = progress_bar(console)

    def before_test(self, runner: Any) -> None:
        self.bar.start()
        self.task = self.bar.add_task("scoring", total=self.total)

    def before_test_epoch(self, runner: Any) -> None:
        self.began, self.pictures = time.monotonic(), 0
        self.bar.update(self.task, description=runner.test_loop.job.test_set.name)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.pictures += len(data_batch)
        self.bar.advance(self.task, len(data_batch))

    def after_test_epoch(self, runner: Any, metrics: Any = None) -> None:
        if not self.console.is_terminal:
            seconds = time.monotonic() - self.began
            name = runner.test_loop.job.test_set.name
            self.console.print(f"{name}: {self.pictures} pictures, {self.pictures / seconds:.1f} img/s")

    def after_test(self, runner: Any) -> None:
        self.bar.stop()
