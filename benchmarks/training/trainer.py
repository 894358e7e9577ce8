"""One training from settings to exported weights: resumable, and clear about why it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.files import write_json
from benchmarks.pictures import PictureError
from benchmarks.training.checkpoints import Checkpoints, newest
from benchmarks.training.inventory import Inventory, require_both_classes, take_inventory, write_unreadable
from benchmarks.training.model import NonFiniteLoss
from benchmarks.training.processes import Processes, joined
from benchmarks.training.progress import ProgressHook
from benchmarks.training.reader import InputReader
from benchmarks.training.schedule import Plateau
from benchmarks.training.settings import TrainSettings
from benchmarks.training.setup import (
    Splits,
    build_detector,
    build_loaders,
    build_runner,
    check_batch_norm,
    default_workers,
    encoder_weights,
)
from registry import Catalogs, EncoderPool, TestSet, UserError

_MAY_CHANGE = {
    "epochs", "keep", "workers", "device", "launcher", "out", "plugins", "feature_cache"
}  # fmt: skip
"""Settings that a resumed training may have different: they do not change what an epoch computes."""


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
    with joined(settings.launcher, settings.device) as processes:
        shown = console or Console(stderr=True, quiet=not processes.first)
        splits = _splits(settings, training, validation, processes, shown)
        detector = build_detector(settings, catalogs)
        encoders = EncoderPool(
            catalogs.encoders,
            encoder_weights(settings, catalogs),
            allow_untrained=settings.allow_untrained,
            seed=settings.seed,
            device=processes.device,
        )
        reader = InputReader(detector.inputs, encoders, settings.encoder_precision)
        note = _note(settings, splits, processes)
        _check_resumable(settings.out, note)
        loaders = build_loaders(settings, splits, reader, processes)
        check_batch_norm(detector, loaders[0].batch_sampler.part_size)  # type: ignore[union-attr]
        checkpoints = Checkpoints(
            settings.out, Plateau(settings.schedule), processes, keep=settings.keep, note=note
        )
        progress = ProgressHook(shown, settings.batch_size // settings.accumulate)
        hooks = [checkpoints, progress] if processes.first else [checkpoints]
        if processes.first:
            write_json(settings.out / "train.json", note)
        runner = build_runner(settings, detector, reader, loaders, processes, hooks)
        reason = ""
        try:
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
        return TrainingResult(settings.out, settings.out / "best.pth", checkpoints.history, reason)


def _splits(
    settings: TrainSettings,
    training: Sequence[TestSet],
    validation: Sequence[TestSet],
    processes: Processes,
    console: Console,
) -> Splits:
    """The usable pictures; each process takes its own inventory, so that none needs another's files."""

    def take(test_sets: Sequence[TestSet]) -> Inventory:
        return take_inventory(
            test_sets,
            check=settings.check_pictures,
            workers=default_workers(settings.workers, processes.device),
            max_pixels=settings.max_pixels,
        )

    splits = Splits(take(training), take(validation) if validation else None)
    found = [("training", splits.training)]
    if splits.validation is not None:
        found.append(("validation", splits.validation))
    unreadable = [bad for _, inventory in found for bad in inventory.unreadable]
    if unreadable:
        listed = settings.out / "unreadable.csv"
        if processes.first:
            write_unreadable(listed, unreadable)
        first = f"{unreadable[0].path}: {unreadable[0].reason}"
        what = f"{len(unreadable)} unreadable pictures, listed in {listed} (first: {first})"
        if settings.unreadable == "stop":
            raise UserError(f"{what}; mend them or set unreadable to leave_out")
        console.print(f"left out {what}", highlight=False)
    for split, inventory in found:
        require_both_classes(inventory, split)
    return splits


def _note(settings: TrainSettings, splits: Splits, processes: Processes) -> dict[str, Any]:
    """What a checkpoint says about its training; plain values."""
    return {
        "config": settings.model_dump(mode="json"),
        "fingerprints": splits.fingerprints,
        "pictures": {
            "training": [splits.training.count(0), splits.training.count(1)],
            "validation": [splits.validation.count(0), splits.validation.count(1)]
            if splits.validation
            else [],
        },
        "processes": processes.count,
        "version": version("d3qe-bench"),
    }


def _check_resumable(out: Path, note: dict[str, Any]) -> None:
    """Refuse to go on with another configuration or other pictures than the checkpoints were made with."""
    found = newest(out)
    if found is None:
        return
    old, new = found["config"], note["config"]
    different = [key for key in new if key not in _MAY_CHANGE and old.get(key) != new[key]]
    different += [
        f"{split} pictures"
        for split in note["fingerprints"]
        if found["fingerprints"].get(split) != note["fingerprints"][split]
    ]
    if found["processes"] != note["processes"]:
        different.append(f"processes ({found['processes']} before, {note['processes']} now)")
    if different:
        raise UserError(
            f"{out} holds a training with other {', '.join(different)}: choose another `out`, or remove the folder"
        )


def _non_finite(error: NonFiniteLoss, inventory: Inventory, epoch: int) -> str:
    files = ", ".join(str(inventory.items[index].path) for index in error.indices)
    return f"{error} in epoch {epoch}; nothing was learned from this batch, of: {files}"


def _last_line(error: Exception) -> str:
    """The text of an error; one from a loader's worker comes with its traceback in front."""
    last = str(error).strip().splitlines()[-1]
    return re.sub(r"^[\w.]+(?:Picture|User)Error: ", "", last)
