"""One training from settings to exported weights: resumable, and clear about why it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.files import write_json
from benchmarks.pictures import PictureError
from benchmarks.training.checkpoint_files import BEST
from benchmarks.training.checkpoints import Checkpoints
from benchmarks.training.inventory import Inventory
from benchmarks.training.loaders import build_loaders
from benchmarks.training.model import NonFiniteLoss
from benchmarks.training.processes import cpu_threads, joined
from benchmarks.training.progress import ProgressHook
from benchmarks.training.reader import InputReader
from benchmarks.training.record import NAME, check_resumable, describe, threads_of
from benchmarks.training.runner import build_runner
from benchmarks.training.schedule import Plateau
from benchmarks.training.settings import TrainSettings
from benchmarks.training.setup import build_detector, check_batch_norm, encoder_weights, prepare
from benchmarks.training.splits import take_splits
from registry import Catalogs, EncoderPool, TestSet, UserError


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended. reason: why it is not complete, empty where it is.

    history: one entry per finished epoch: epoch, lr, train_loss, and validation acc, ap and loss.
    """

    out: Path
    best: Path
    history: list[dict[str, Any]]
    reason: str = ""

    @property
    def complete(self) -> bool:
        return not self.reason


def train_detector(
    settings: TrainSettings,
    catalogs: Catalogs,
    training: Sequence[TestSet],
    validation: Sequence[TestSet] = (),
    console: Console | None = None,
) -> TrainingResult:
    """Train, or go on where the last checkpoint in `settings.out` stands.

    Raises:
        UserError: the settings, the data or the folder do not allow it; nothing has been trained.
    """
    # sums that are shared out among more or fewer threads end in other last bits
    same_threads = cpu_threads(threads_of(settings.out))
    with joined(settings.launcher, settings.device) as processes, same_threads:
        shown = console or Console(stderr=True, quiet=not processes.first)
        splits = take_splits(settings, training, validation, processes, shown)
        detector = build_detector(settings, catalogs)
        encoders = EncoderPool(
            catalogs.encoders,
            encoder_weights(settings, catalogs),
            allow_untrained=settings.allow_untrained,
            device=processes.device,
        )
        reader = InputReader(detector.inputs, encoders, settings.encoder_precision)
        note = describe(settings, splits, processes)
        begun = check_resumable(settings.out, note)
        loaders = build_loaders(settings, splits, reader, processes)
        check_batch_norm(detector, loaders[0].batch_sampler.part_size)  # type: ignore[union-attr]
        checkpoints = Checkpoints(
            settings.out, Plateau(settings.schedule), processes, keep=settings.keep, note=note
        )
        progress = ProgressHook(shown, settings.batch_size // settings.accumulate)
        hooks = [checkpoints, progress] if processes.first else [checkpoints]
        if processes.first:
            write_json(settings.out / NAME, note)
        runner = build_runner(settings, detector, reader, loaders, processes, hooks)
        reason = ""
        try:
            if settings.detector.weights is None and not begun:
                prepare(detector, reader, loaders[0], processes)
            runner.train()
        except NonFiniteLoss as error:
            held_out = not runner.model.training
            inventory = splits.validation if held_out and splits.validation else splits.training
            reason = _non_finite(error, inventory, runner.epoch + (not held_out))
        except PictureError as error:
            reason = f"a picture became unreadable while training: {_last_line(error)}"
        except UserError as error:
            raise UserError(_last_line(error)) from error
        finally:
            progress.stop()
            runner.visualizer.close()
        return TrainingResult(settings.out, settings.out / BEST, checkpoints.history, reason)


def _non_finite(error: NonFiniteLoss, inventory: Inventory, epoch: int) -> str:
    files = ", ".join(str(inventory.items[index].path) for index in error.indices)
    return f"{error} in epoch {epoch}; nothing was learned from this batch, of: {files}"


def _last_line(error: Exception) -> str:
    """The text of an error; one from a loader's worker comes with its traceback in front."""
    last = str(error).strip().splitlines()[-1]
    return re.sub(r"^[\w.]+(?:Picture|User)Error: ", "", last)
