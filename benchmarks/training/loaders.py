"""The loaders that batch the pictures of a training, from the feature cache where there is one."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.cache import FeatureCache
from benchmarks.training.processes import Processes
from benchmarks.training.reader import InputReader
from benchmarks.training.sampling import TrainingBatches, ValidationBatches
from benchmarks.training.settings import TrainSettings, validation_augmentation
from benchmarks.training.splits import Splits, default_workers
from registry import UserError

Loader = DataLoader[Any]
"""Its data set holds samples, and it gives `Batch`es."""


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
