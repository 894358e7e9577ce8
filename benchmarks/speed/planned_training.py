"""Trainings that are built once and stepped by hand, by the trainer's own parts: measured is what comes after the start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.optim import OptimWrapper

from benchmarks.config import parse_settings
from benchmarks.datasets import find_test_sets
from benchmarks.ranks import Processes
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.training.batches import Batch, Loader, build_loaders
from benchmarks.training.engine import TrainingModel
from benchmarks.training.features import cached_features
from benchmarks.training.inventory import Splits, take_inventory
from benchmarks.training.schedule import build_optimizer
from benchmarks.training.settings import NO_AUGMENTATION, TrainSettings
from benchmarks.training.trainer import build
from registry import load_plugins
from registry.inputs import InputReader


@dataclass(frozen=True)
class PlannedTraining:
    """A training over random pictures, which are the same with frozen features from the store and without it.

    with_store, without: loaders of one epoch. filling: seconds that filling the store took, networks built before.
    """

    model: TrainingModel
    optimizer: OptimWrapper
    with_store: Loader
    without: Loader
    filling: float

    def step(self, batch: Batch) -> None:
        """One step of the training: frozen encoders where their features are not there, loss, gradients, optimiser."""
        self.model.train()
        self.model.train_step(batch, self.optimizer)


def planned_training(
    root: Path,
    processes: Processes,
    detector: str,
    *,
    options: Mapping[str, Any],
    pictures: int,
    batch_size: int,
    workers: int = 0,
    precision: str = "float32",
) -> PlannedTraining:
    """Build a training, without weights where there are none, and fill its feature store; all files go into `root`.

    precision: of the frozen encoders and of the trained part.

    Raises:
        UserError: as a training does; a precision other than float32 needs a GPU.
    """
    make_pictures(root / "data", pictures)
    catalogs = load_plugins()
    values = {
        "detector": {"name": detector, "options": dict(options)},
        "data": {"sets": [str(root / "data")]},
        "out": root / "out",
        "batch_size": batch_size,
        "allow_untrained": True,
        "augmentation": NO_AUGMENTATION.model_dump(),
        "workers": workers,
        "precision": precision,
        "encoder_precision": precision,
    }
    plain = parse_settings(TrainSettings, values, "measurement")
    cached = parse_settings(TrainSettings, {**values, "features": root / "store"}, "measurement")
    found = find_test_sets(catalogs.datasets, plain.data.sets)
    splits = Splits(take_inventory(found, max_pixels=plain.max_pixels), None)
    network, pool, _ = build(plain, catalogs, processes.device)
    reader = InputReader(network.inputs, pool)
    model = TrainingModel(network, reader).to(processes.device)
    optimizer = build_optimizer(plain, network, processes.device)
    for encoder, _ in reader.groups():
        pool.get(encoder)
    began = time.perf_counter()
    features = cached_features(cached, splits, reader, processes)
    filling = time.perf_counter() - began
    sources = list(reader.inputs.values())
    return PlannedTraining(
        model,
        optimizer,
        build_loaders(cached, splits, sources, features, processes)[0],
        build_loaders(plain, splits, sources, ({}, {}), processes)[0],
        filling,
    )
