"""Builds what a training trains from its settings: detector, encoders' weights, optimiser."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from benchmarks.training.loaders import Loader
from benchmarks.training.processes import Processes
from benchmarks.training.reader import InputReader
from benchmarks.training.settings import TrainSettings
from benchmarks.weights import Store
from registry import Catalogs, Detector, UserError
from registry.encoder import seeded_init


def build_detector(settings: TrainSettings, catalogs: Catalogs) -> Detector:
    """The detector to train, initialised from the seed or from its weights file.

    Raises:
        UserError: unknown name or option, missing or wrong weights, or nothing in it to train.
    """
    chosen = settings.detector
    with seeded_init(chosen.name, settings.seed):
        detector: Detector = catalogs.detectors.create(chosen.name, **chosen.options)
    if chosen.weights is not None:
        detector.load_weights(chosen.weights)
    if settings.start is not None:
        detector.start_from(_start(settings, catalogs))
    if not any(parameter.requires_grad for parameter in detector.parameters()):
        raise UserError(f"detector {chosen.name!r} has no trainable parameters")
    return detector


def _start(settings: TrainSettings, catalogs: Catalogs) -> Path:
    name = str(settings.start)
    found = Store(catalogs, settings.weights).path(name)
    if found is None:
        raise UserError(
            f"start: {name!r} has no weights: get them with `d3qe-bench weights get {name}`, or name a file "
            f"under weights: {{{name}: PATH}}"
        )
    return found


def encoder_weights(settings: TrainSettings, catalogs: Catalogs) -> dict[str, Path]:
    """Weights files of the encoders: those that the settings name, else fetched ones."""
    return Store(catalogs, settings.weights).for_encoders()


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


@torch.no_grad()
def prepare(detector: Detector, reader: InputReader, loader: Loader, processes: Processes) -> None:
    """Let a detector that has to know its training pictures beforehand see all of them once."""
    if type(detector).before_training is not Detector.before_training:
        batches = (batch.to(processes.device) for batch in loader)
        detector.before_training(reader(batch) for batch in batches)


def check_batch_norm(detector: Detector, part_size: int) -> None:
    """Refuse single-picture batches for networks that learn from a batch's spread."""
    layers = (nn.BatchNorm1d, nn.BatchNorm2d)
    if part_size == 1 and any(isinstance(module, layers) for module in detector.modules()):
        raise UserError(
            "batch normalisation needs at least 2 pictures at a time: raise batch_size or lower accumulate"
        )
