"""What a training shows while it runs: a progress bar, one line per epoch, TensorBoard curves."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SMOOTHING = 20
"""Steps between two updates of the bar's loss: reading it waits for the GPU."""


class ProgressHook(Hook):
    """Shows pictures per second and the time left of the whole training; writes TensorBoard scalars.

    pictures_per_step: of all processes together.
    """

    priority = "LOW"

    def __init__(self, console: Console, pictures_per_step: int) -> None:
        self.console = console
        self.pictures_per_step = pictures_per_step
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._since = 0.0
        self._steps = 0

    def before_train(self, runner: Runner) -> None:
        self.task = self.progress.add_task("training", total=runner.max_iters, completed=runner.iter, rate="")
        self.progress.start()

    def before_train_epoch(self, runner: Runner) -> None:
        self._since, self._steps = time.perf_counter(), 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._steps += 1
        self.progress.update(self.task, completed=runner.iter + 1)
        if batch_idx % _SMOOTHING == 0:
            loss = float(outputs["loss"].detach())
            runner.visualizer.add_scalar("train/loss", loss, step=runner.iter)
            self.progress.update(
                self.task,
                description=f"epoch {runner.epoch + 1}/{runner.max_epochs}  loss {loss:.4f}",
                rate=f"{self._rate():.1f} images/s",
            )

    def after_train_epoch(self, runner: Runner) -> None:
        self._epoch_rate = self._rate()

    def after_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            runner.visualizer.add_scalar(f"validation/{name}", value, step=runner.iter)
        lr = runner.optim_wrapper.optimizer.param_groups[0]["lr"]
        runner.visualizer.add_scalar("train/lr", lr, step=runner.iter)
        runner.visualizer.add_scalar("train/images_per_second", self._epoch_rate, step=runner.iter)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self.console.print(
            f"epoch {runner.epoch}/{runner.max_epochs}  {shown}  lr {lr:.1e}  {self._epoch_rate:.1f} images/s",
            highlight=False,
        )

    def stop(self) -> None:
        """Take the bar off the screen, however the training ended."""
        self.progress.stop()

    def _rate(self) -> float:
        return self._steps * self.pictures_per_step / max(time.perf_counter() - self._since, 1e-9)
