"""Trainings from configuration files, one after the other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.catalogs import load_catalogs
from benchmarks.config import parse_settings, read_settings
from benchmarks.datasets import find_test_sets
from benchmarks.training.settings import SplitSettings, TrainSettings
from benchmarks.training.trainer import TrainingResult, train_detector
from registry import Catalogs, TestSet, UserError


def read_training(config: Path, overrides: Mapping[str, Any] | None = None) -> TrainSettings:
    """The settings in a YAML file. overrides: keys that win over the file."""
    values = {**read_settings(config), **(overrides or {})}
    return parse_settings(TrainSettings, values, str(config))


def train(settings: TrainSettings, console: Console | None = None) -> TrainingResult:
    """Find the pictures that the settings name and train on them."""
    catalogs = load_catalogs(settings.plugins)
    training = _test_sets(settings.data, settings, catalogs)
    validation = _test_sets(settings.validation, settings, catalogs) if settings.validation else []
    return train_detector(settings, catalogs, training, validation, console)


def train_all(
    configs: Sequence[Path], overrides: Mapping[str, Any] | None = None, console: Console | None = None
) -> int:
    """Train every configuration in turn; one that fails is named and the others go on.

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
    for config, settings in zip(configs, asked, strict=True):
        try:
            result = train(settings, console)
        except UserError as error:
            if len(configs) == 1:
                raise
            shown.print(f"{config}: {error}", style="red", markup=False, soft_wrap=True)
            problems += 1
            continue
        if result.complete:
            if os.environ.get("RANK", "0") == "0":
                shown.print(f"{config}: {_summary(result)}", markup=False, soft_wrap=True, highlight=False)
        else:
            shown.print(f"{config}: {result.reason}", style="red", markup=False, soft_wrap=True)
            problems += 1
    return 1 if problems else 0


def _test_sets(split: SplitSettings, settings: TrainSettings, catalogs: Catalogs) -> list[TestSet]:
    return find_test_sets(
        catalogs.datasets,
        split.sets,
        layout=split.layout or None,
        options=split.options,
        limit=settings.limit,
        fair=settings.fair,
    )


def _summary(result: TrainingResult) -> str:
    return f"{len(result.history)} epochs; weights of the best one in {result.best}"
