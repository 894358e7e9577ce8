"""Builds what a training needs from its settings: detector, encoders, pictures, loaders, Runner."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.cache import FeatureCache
from benchmarks.training.inventory import Inventory
from benchmarks.training.loop import TrainLoop, TrainRunner
from benchmarks.training.model import TrainingModel
from benchmarks.training.processes import Processes
from benchmarks.training.reader import InputReader
from benchmarks.training.sampling import TrainingBatches, ValidationBatches
from benchmarks.training.settings import TrainSettings, validation_augmentation
from benchmarks.weights import Store
from registry import Catalogs, Detector, UserError
from registry.encoder import seeded_init

Loader = DataLoader[Any]
"""Its data set holds samples, and it gives `Batch`es."""

_NO_DEFAULT_HOOKS: dict[str, None] = dict.fromkeys(
    ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
)


def build_detector(settings: TrainSettings, catalogs: Catalogs) -> Detector:
    """The detector to train, initialised from the seed or from its weights file.

    Raises:
        UserError: unknown name or option, wrong weights, or nothing in it to train.
    """
    chosen = settings.detector
    with seeded_init(chosen.name, settings.seed):
        detector: Detector = catalogs.detectors.create(chosen.name, **chosen.options)
    if chosen.weights is not None:
        detector.load_weights(chosen.weights)
    if not any(parameter.requires_grad for parameter in detector.parameters()):
        raise UserError(f"detector {chosen.name!r} has no trainable parameters")
    return detector


def encoder_weights(settings: TrainSettings, catalogs: Catalogs) -> dict[str, Path]:
    """Weights files of the encoders: those that the settings name, else fetched ones."""
    store = Store(catalogs, settings.weights)
    found = {name: store.path(name) for name in catalogs.encoders.names()}
    return {name: path for name, path in found.items() if path is not None}


def build_optimizer(settings: TrainSettings, detector: Detector, device: torch.device) -> OptimWrapper:
    """The optimiser of the trainable parameters, with mixed precision where asked for on a GPU."""
    chosen = settings.optimizer
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer: torch.optim.Optimizer
    if chosen.name == "sgd":
        optimizer = torch.optim.SGD(
            parameters, lr=chosen.lr, momentum=chosen.momentum, weight_decay=chosen.weight_decay
        )
    else:
        adam = torch.optim.AdamW if chosen.name == "adamw" else torch.optim.Adam
        optimizer = adam(parameters, lr=chosen.lr, betas=chosen.betas, weight_decay=chosen.weight_decay)
    if settings.precision == "float32":
        return OptimWrapper(optimizer, accumulative_counts=settings.accumulate)
    if device.type != "cuda":
        raise UserError(f"precision {settings.precision} trains on a GPU only: set it to float32 on {device}")
    return AmpOptimWrapper(
        dtype=settings.precision, optimizer=optimizer, accumulative_counts=settings.accumulate
    )


@dataclass(frozen=True)
class Splits:
    """The pictures of a training."""

    training: Inventory
    validation: Inventory | None

    @property
    def fingerprints(self) -> dict[str, str]:
        found = {"training": self.training.fingerprint}
        return found if self.validation is None else {**found, "validation": self.validation.fingerprint}


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


def check_batch_norm(detector: Detector, part_size: int) -> None:
    """Refuse single-picture batches for networks that learn from a batch's spread."""
    layers = (nn.BatchNorm1d, nn.BatchNorm2d)
    if part_size == 1 and any(isinstance(module, layers) for module in detector.modules()):
        raise UserError(
            "batch normalisation needs at least 2 pictures at a time: raise batch_size or lower accumulate"
        )


def build_runner(
    settings: TrainSettings,
    detector: Detector,
    reader: InputReader,
    loaders: tuple[Loader, Loader | None],
    processes: Processes,
    hooks: Sequence[Hook],
) -> TrainRunner:
    """mmengine's Runner around all of it; it logs to OUT/logs and TensorBoard reads that folder."""
    model: nn.Module = TrainingModel(detector, reader).to(processes.device)
    optimizer = build_optimizer(settings, detector, processes.device)
    if processes.count > 1:
        ids = [processes.device.index] if processes.device.type == "cuda" else None
        model = MMDistributedDataParallel(model, device_ids=ids)
    training, validation = loaders
    logs = (
        Path(settings.out, "logs")
        if processes.first
        else Path(settings.out, "logs", f"rank-{processes.rank}")
    )
    return TrainRunner(
        model=model,
        work_dir=str(logs),
        train_dataloader=training,
        train_cfg={
            "type": TrainLoop,
            "max_epochs": settings.epochs,
            "processes": processes,
            "seed": settings.seed,
            "validation": validation,
        },
        optim_wrapper=optimizer,
        default_hooks=_NO_DEFAULT_HOOKS,
        custom_hooks=list(hooks),
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        randomness={"seed": settings.seed},
        log_level="WARNING",
        # two Runners of one name in one process would share a logger
        experiment_name=uuid.uuid4().hex,
    )
