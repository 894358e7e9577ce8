"""What a training shows while it runs: a progress bar, one line per epoch, TensorBoard curves."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console

from benchmarks.progress import ProgressBar

_SMOOTHING = 20
"""Steps between two updates of the bar's loss: reading it waits for the GPU."""


class TrainingProgress(Hook):
    """Shows pictures per second and the time left of the whole training; writes TensorBoard scalars.

    pictures_per_step: of all processes together.
    """

    priority = "LOW"

    def __init__(self, console: Console, pictures_per_step: int) -> None:
        self.console = console
        self.pictures_per_step = pictures_per_step
        self._bar: ProgressBar | None = None
        self._since = 0.0
        self._steps = 0

    def before_train(self, runner: Runner) -> None:
        pictures = (runner.max_iters * self.pictures_per_step, runner.iter * self.pictures_per_step)
        self._bar = ProgressBar("training", pictures[0], done=pictures[1], console=self.console)
        self._bar.start()

    def before_train_epoch(self, runner: Runner) -> None:
        self._since, self._steps = time.perf_counter(), 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._steps += 1
        if self._bar is not None:
            self._bar.advance(self.pictures_per_step)
        if batch_idx % _SMOOTHING == 0:
            loss = float(outputs["loss"].detach())
            runner.visualizer.add_scalar("train/loss", loss, step=runner.iter)
            if self._bar is not None:
                self._bar.describe(f"epoch {runner.epoch + 1}/{runner.max_epochs}  loss {loss:.4f}")

    def after_train_epoch(self, runner: Runner) -> None:
        self._epoch_speed = self._speed()

    def after_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            runner.visualizer.add_scalar(f"validation/{name}", value, step=runner.iter)
        lr = runner.optim_wrapper.optimizer.param_groups[0]["lr"]
        runner.visualizer.add_scalar("train/lr", lr, step=runner.iter)
        runner.visualizer.add_scalar("train/images_per_second", self._epoch_speed, step=runner.iter)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self.console.print(
            f"epoch {runner.epoch}/{runner.max_epochs}  {shown}  lr {lr:.1e}  {self._epoch_speed:.1f} images/s",
            highlight=False,
        )

    def stop(self) -> None:
        """Take the bar off the screen, however the training ended."""
        if self._bar is not None:
            self._bar.stop()

    def _speed(self) -> float:
        return self._steps * self.pictures_per_step / max(time.perf_counter() - self._since, 1e-9)
