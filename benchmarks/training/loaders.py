"""The pictures of a training, cached or not, and the loaders that batch them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from torch.utils.data import DataLoader

from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.cache import FeatureCache
from benchmarks.training.inventory import Inventory, require_both_classes, take_inventory, write_unreadable
from benchmarks.training.processes import Processes
from benchmarks.training.reader import InputReader
from benchmarks.training.sampling import TrainingBatches, ValidationBatches
from benchmarks.training.settings import TrainSettings, validation_augmentation
from registry import TestSet, UserError

Loader = DataLoader[Any]
"""Its data set holds samples, and it gives `Batch`es."""


@dataclass(frozen=True)
class Splits:
    """The pictures of a training."""

    training: Inventory
    validation: Inventory | None

    @property
    def fingerprints(self) -> dict[str, str]:
        found = {"training": self.training.fingerprint}
        return found if self.validation is None else {**found, "validation": self.validation.fingerprint}


def take_splits(
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


def cached_features(
    settings: TrainSettings, splits: Splits, reader: InputReader, processes: Processes, workers: int
) -> tuple[FeatureTable, FeatureTable]:
    """Frozen features of the training and the validation pictures; both empty without a cache folder."""
    if settings.feature_cache is None:
        return {}, {}
    if not reader.groups():
        raise UserError(
            f"feature_cache: detector {settings.detector.name!r} reads no frozen encoder, so there is "
            "nothing to cache; leave the key out"
        )
    cache = FeatureCache(
        settings.feature_cache, reader, seed=settings.seed, max_pixels=settings.max_pixels, workers=workers
    )

    def both() -> tuple[FeatureTable, FeatureTable]:
        training = cache.features(splits.training, settings.augmentation)
        if splits.validation is None:
            return training, {}
        return training, cache.features(splits.validation, validation_augmentation(settings))

    if processes.first:
        both()
    processes.wait()
    return both()


def build_loaders(
    settings: TrainSettings,
    splits: Splits,
    reader: InputReader,
    processes: Processes,
) -> tuple[Loader, Loader | None]:
    """The loaders of the training and the validation pictures."""
    workers = default_workers(settings.workers, processes.device)
    train_cache, validation_cache = cached_features(settings, splits, reader, processes, workers)
    sources = list(reader.inputs.values())
    common: dict[str, Any] = {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "collate_fn": collate,
        "pin_memory": processes.device.type == "cuda",
        # a loader seeds its workers from the global generator, which dropout draws from, too
        "generator": torch.Generator(),
    }
    batches = TrainingBatches(
        len(splits.training.items),
        settings.batch_size,
        seed=settings.seed,
        parts=settings.accumulate,
        rank=processes.rank,
        processes=processes.count,
    )
    pictures = TrainingPictures(
        splits.training.items,
        sources,
        settings.augmentation,
        seed=settings.seed,
        max_pixels=settings.max_pixels,
        cached=train_cache,
    )
    training = DataLoader(pictures, batch_sampler=batches, **common)
    if splits.validation is None:
        return training, None
    held_out = TrainingPictures(
        splits.validation.items,
        sources,
        validation_augmentation(settings),
        seed=settings.seed,
        max_pixels=settings.max_pixels,
        cached=validation_cache,
    )
    shared = ValidationBatches(
        len(held_out), batches.part_size, rank=processes.rank, processes=processes.count
    )
    return training, DataLoader(held_out, batch_sampler=shared, **common)


def default_workers(asked: int | None, device: torch.device) -> int:
    """Decoding processes: as asked, else none beside a CPU and up to 8 beside a GPU."""
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)
