"""Runs a study: every training, then one run over all trained detectors, then the matrices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.config import RunSettings, parse_settings
from benchmarks.datasets import find_test_sets
from benchmarks.loading import load_catalogs
from benchmarks.runfolder.metrics_file import incomplete
from benchmarks.runner.run import command_line, run_benchmark
from benchmarks.study.matrix import build_matrices, label_of
from benchmarks.study.render import render
from benchmarks.study.settings import StudySettings, TrainingSet
from benchmarks.training.settings import TrainSettings
from benchmarks.training.trainer import train
from registry import UserError

_MIXED = "mixed"
_ENCODERS = ("weights", "allow_untrained", "seed")
"""Settings that decide which frozen encoders a detector reads, untrained ones by their seed."""


def run_study(settings: StudySettings, console: Console) -> int:
    """Do what is still to be done: finished trainings and scored pictures are not done again.

    Returns:
        The exit code: 0 all complete, 1 a training ended early or a cell is incomplete, named.

    Raises:
        UserError: a wrong request; it shows before the first training starts.
    """
    trainings = _trainings(settings)
    paradigms = _paradigms(settings)
    _run_settings(settings, {})
    problems: list[str] = []
    weights: dict[str, Path] = {}
    for label, asked in trainings.items():
        console.print(f"training {label}", markup=False, highlight=False)
        try:
            result = train(asked, console)
        except UserError as error:
            problems.append(f"{label}: {error}")
            continue
        if result.complete:
            weights[label] = result.best
        else:
            problems.append(f"{label}: {result.reason}")
    if not weights:
        raise UserError(f"no training succeeded: {'; '.join(problems)}")
    run = _run_settings(settings, weights)
    metrics = run_benchmark(run, command_line(), console)
    assert metrics is not None, "a study is one process"
    problems += incomplete(run.out, metrics)
    names = [detector.shown for detector in settings.detectors]
    for path in render(build_matrices(metrics, names, paradigms, settings.metric), settings.out):
        console.print(f"written: {path}", markup=False, soft_wrap=True, highlight=False)
    for problem in problems:
        console.print(problem, style="yellow", markup=False, soft_wrap=True)
    return 1 if problems else 0


def _trainings(settings: StudySettings) -> dict[str, TrainSettings]:
    """Settings of every training by the trained detector's name, detectors in the outer loop."""
    trainings = {}
    for detector in settings.detectors:
        for name, training_set in settings.training_sets.items():
            label = label_of(detector.shown, name)
            if label in trainings:
                raise UserError(f"two detectors are called {detector.shown!r}: give one a label")
            trainings[label] = _training(settings, detector.model_dump(), name, training_set)
    return trainings


def _training(
    settings: StudySettings, detector: Mapping[str, Any], name: str, training_set: TrainingSet
) -> TrainSettings:
    own = {
        "detector": detector,
        "data": training_set.data.model_dump(),
        "validation": training_set.validation.model_dump() if training_set.validation else None,
        "out": settings.out / "training" / (detector["label"] or detector["name"]) / name,
    }
    for key in own:
        if key in settings.training:
            raise UserError(f"training.{key}: a study sets it itself for each training")
    return parse_settings(TrainSettings, {**settings.training, **own}, f"training on {name}")


def _run_settings(settings: StudySettings, weights: Mapping[str, Path]) -> RunSettings:
    """The run over all trained detectors, with the encoders that they were trained on."""
    for key in ("detectors", "out"):
        if key in settings.test:
            raise UserError(f"test.{key}: a study sets it itself")
    for key in _ENCODERS:
        if key in settings.test:
            raise UserError(
                f"test.{key}: a study tests with the encoders that it trains with: say it under training"
            )
    shared: dict[str, Any] = {
        key: settings.training[key] for key in (*_ENCODERS, "device", "plugins") if key in settings.training
    }
    detectors: list[dict[str, Any]] = [
        {
            "name": detector.name,
            "label": label,
            "options": detector.options,
            "weights": weights[label],
        }
        for detector in settings.detectors
        for name in settings.training_sets
        if (label := label_of(detector.shown, name)) in weights
    ]
    values: dict[str, Any] = {
        "seed": TrainSettings.model_fields["seed"].default,
        **shared,
        **settings.test,
        "detectors": detectors,
        "out": settings.out / "run",
    }
    return parse_settings(RunSettings, values, "test")


def _paradigms(settings: StudySettings) -> dict[str, str]:
    """The paradigm of each training set's pictures."""
    catalogs = load_catalogs([Path(plugin) for plugin in settings.training.get("plugins", [])])
    paradigms = {}
    for name, training_set in settings.training_sets.items():
        split = training_set.data
        found = {
            test_set.paradigm
            for test_set in find_test_sets(
                catalogs.datasets, split.sets, layout=split.layout or None, options=split.options
            )
        }
        paradigms[name] = found.pop() if len(found) == 1 else _MIXED
    return paradigms
