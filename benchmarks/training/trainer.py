"""Trainings from settings to exported weights: resumable, and clear about why they ended."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from benchmarks.config import SessionSettings, parse_settings, read_settings
from benchmarks.datasets import find_test_sets
from benchmarks.files import write_json
from benchmarks.loading import Locator, load_catalogs, open_session
from benchmarks.pictures import PictureError
from benchmarks.ranks import Processes, cpu_threads, joined
from benchmarks.runfolder.owner import owned_by_all
from benchmarks.seeds import BEST, UNFINISHED
from benchmarks.text import plain
from benchmarks.training.batches import Loader, build_loaders
from benchmarks.training.checkpoints import Checkpoints
from benchmarks.training.engine import NonFiniteLoss, build_runner
from benchmarks.training.features import cached_features
from benchmarks.training.inventory import Inventory, take_splits
from benchmarks.training.schedule import Plateau
from benchmarks.training.settings import SplitSettings, TrainSettings, each_seed
from benchmarks.training.training_progress import TrainingProgress
from benchmarks.training.training_record import NAME, check_resumable, describe, threads_of
from registry import Catalogs, Detector, EncoderPool, TestSet, UserError
from registry.inputs import InputReader


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


def train_all(
    configs: Sequence[Path], overrides: Mapping[str, Any] | None = None, console: Console | None = None
) -> int:
    """Train every configuration in turn, once per seed; a training that fails is named and the others go on.

    All are read before the first one starts, so that a slip in the last one shows at once.

    Returns:
        The exit code: 0 all complete, 1 something ended early.

    Raises:
        UserError: a wrong configuration, or two that would share a folder.
    """
    shown = console or Console(stderr=True)
    asked = [read_training(config, overrides) for config in configs]
    for number, settings in enumerate(asked):
        if settings.out in [earlier.out for earlier in asked[:number]]:
            raise UserError(f"{configs[number]}: another configuration trains into {settings.out}, too")
    problems = 0
    trainings = [
        (f"{config}, seed {one.seed}" if settings.seeds else str(config), one)
        for config, settings in zip(configs, asked, strict=True)
        for one in each_seed(settings)
    ]
    for name, settings in trainings:
        try:
            result = train(settings, console)
            reason = result.reason
        except UserError as error:
            if len(trainings) == 1:
                raise
            reason = str(error)
        if reason:
            shown.print(plain(f"{name}: {reason}"), style="red", markup=False, soft_wrap=True)
            problems += 1
        elif os.environ.get("RANK", "0") == "0":
            done = f"{len(result.history)} epochs; weights of the best one in {result.best}"
            shown.print(plain(f"{name}: {done}"), markup=False, soft_wrap=True, highlight=False)
    return 1 if problems else 0


def read_training(config: Path, overrides: Mapping[str, Any] | None = None) -> TrainSettings:
    """The settings in a YAML file. overrides: keys that win over the file."""
    values = {**read_settings(config), **(overrides or {})}
    return parse_settings(TrainSettings, values, str(config), overrides or ())


def train(settings: TrainSettings, console: Console | None = None) -> TrainingResult:
    """Find the pictures that the settings name and train on them."""
    catalogs = load_catalogs(settings.plugins)
    training = find_pictures(settings.data, settings, catalogs)
    validation = find_pictures(settings.validation, settings, catalogs) if settings.validation else []
    return train_detector(settings, catalogs, training, validation, console)


def find_pictures(split: SplitSettings, settings: TrainSettings, catalogs: Catalogs) -> list[TestSet]:
    """The sets that a training's split names."""
    return find_test_sets(
        catalogs.datasets,
        split.sets,
        layout=split.layout or None,
        options=split.options,
        limit=settings.limit,
        fair=settings.fair,
    )


def train_detector(
    settings: TrainSettings,
    catalogs: Catalogs,
    training: Sequence[TestSet],
    validation: Sequence[TestSet] = (),
    console: Console | None = None,
) -> TrainingResult:
    """Train, or go on where the last checkpoint in `settings.out` stands.

    Raises:
        UserError: the settings, the data or the folder do not allow it, or they name several seeds, for which
            `each_seed` gives the settings of each training; nothing has been trained.
    """
    if settings.seeds:
        raise UserError(
            f"seeds {settings.seeds}: this trains once; each_seed gives the settings of each training"
        )
    # sums that are shared out among more or fewer threads end in other last bits
    same_threads = cpu_threads(threads_of(settings.out))
    with (
        joined(settings.launcher, settings.device) as processes,
        owned_by_all(settings.out, processes),
        same_threads,
    ):
        shown = console or Console(stderr=True, quiet=not processes.first)
        splits = take_splits(settings, training, validation, processes, shown)
        detector, encoders, weights = build(settings, catalogs, processes.device)
        reader = InputReader(detector.inputs, encoders)
        note = describe(settings, splits, weights, processes)
        begun = check_resumable(settings.out, note)
        cached = cached_features(settings, splits, reader, processes)
        loaders = build_loaders(settings, splits, list(reader.inputs.values()), cached, processes)
        _check_batch_norm(detector, loaders[0].batch_sampler.part_size)  # type: ignore[union-attr]
        checkpoints = Checkpoints(
            settings.out, Plateau(settings.schedule), processes, keep=settings.keep, note=note
        )
        progress = TrainingProgress(shown, settings.batch_size // settings.accumulate)
        hooks = [checkpoints, progress] if processes.first else [checkpoints]
        if processes.first:
            write_json(settings.out / NAME, note)
            (settings.out / UNFINISHED).touch()
        runner = build_runner(settings, detector, reader, loaders, processes, hooks)
        reason = ""
        try:
            if settings.detector.weights is None and not begun:
                _prepare(detector, reader, loaders[0], processes)
            runner.train()
            if processes.first:
                (settings.out / UNFINISHED).unlink(missing_ok=True)
        except NonFiniteLoss as error:
            held_out = not runner.model.training
            inventory = splits.validation if held_out and splits.validation else splits.training
            reason = _non_finite(error, inventory, runner.epoch + (not held_out))
        except PictureError as error:
            reason = f"a picture became unreadable while training: {_last_line(error)}"
        except torch.OutOfMemoryError:
            # halves would train another network: batch statistics are of the pictures that go through together
            reason = (
                f"{processes.device} has too little memory for {settings.batch_size // settings.accumulate} pictures at "
                f"once, in epoch {runner.epoch + 1}: raise accumulate or lower batch_size, in another `out`"
            )
        except UserError as error:
            raise UserError(_last_line(error)) from error
        finally:
            progress.stop()
            runner.visualizer.close()
        return TrainingResult(settings.out, settings.out / BEST, checkpoints.history, reason)


def build(
    settings: TrainSettings, catalogs: Catalogs, device: torch.device
) -> tuple[Detector, EncoderPool, dict[str, Any]]:
    """The detector to train, from the seed or from its weights file, its encoders, and which weights these are.

    Encoders without weights are drawn from the seed of what is frozen.

    Raises:
        UserError: unknown name or option, missing or wrong weights, or nothing in it to train.
    """
    chosen = settings.detector
    for name in settings.weights:
        if name in catalogs.detectors and name not in catalogs.encoders:
            raise UserError(
                f"weights: {name!r} is a detector: what it starts from is `detector: {{weights: PATH}}`"
            )
    if chosen.weights is not None and not chosen.weights.is_file():
        raise UserError(f"detector.weights: there is no such file: {chosen.weights}")
    session = open_session(
        SessionSettings(
            detectors=[chosen],
            weights=settings.weights,
            allow_untrained=settings.allow_untrained,
            device=str(device),
            precision=settings.encoder_precision,
            compile=settings.compile,
            seed=settings.seed,
            plugins=settings.plugins,
        ),
        catalogs=catalogs,
        training=True,
        encoder_seed=settings.seed_of_frozen,
    )
    if session.failed:
        raise UserError(f"detector {chosen.shown!r} cannot be built: {session.failed[chosen.shown]}")
    detector, record = session.detectors[chosen.shown], session.records[chosen.shown]
    start = None
    if settings.start is not None:
        start = Locator(catalogs, settings.weights).resolve(settings.start)
        if start is None:
            raise UserError(
                f"start: {settings.start!r} has no weights: get them with `d3qe-bench weights get "
                f"{settings.start}`, or name a file under weights: {{{settings.start}: PATH}}"
            )
        detector.start_from(start.path)
    if not any(parameter.requires_grad for parameter in detector.parameters()):
        raise UserError(f"detector {chosen.name!r} has no trainable parameters")
    weights = {
        "detector": record["weights"] and record["weights"]["sha256"],
        "start": start and start.sha256,
        "encoders": record["encoders"],
    }
    return detector, session.encoders, weights


@torch.no_grad()
def _prepare(detector: Detector, reader: InputReader, loader: Loader, processes: Processes) -> None:
    """Let a detector that has to know its training pictures beforehand see all of them once."""
    if type(detector).before_training is not Detector.before_training:
        batches = (batch.to(processes.device) for batch in loader)
        detector.before_training(reader(batch.tensors) for batch in batches)


def _check_batch_norm(detector: Detector, part_size: int) -> None:
    """Refuse single-picture batches for networks that learn from a batch's spread."""
    layers = (nn.BatchNorm1d, nn.BatchNorm2d)
    if part_size == 1 and any(isinstance(module, layers) for module in detector.modules()):
        raise UserError(
            "batch normalisation needs at least 2 pictures at a time: raise batch_size or lower accumulate"
        )


def _non_finite(error: NonFiniteLoss, inventory: Inventory, epoch: int) -> str:
    files = ", ".join(str(inventory.items[index].path) for index in error.indices)
    return f"{error} in epoch {epoch}; nothing was learned from this batch, of: {files}"


def _last_line(error: Exception) -> str:
    """The text of an error; one from a loader's worker comes with its traceback in front."""
    last = str(error).strip().splitlines()[-1]
    return re.sub(r"^[\w.]+(?:Picture|User)Error: ", "", last)
