"""Runs a study: every training, then one run over all trained detectors, then the matrices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.config import RunSettings, SessionSettings, parse_settings
from benchmarks.datasets.releases import month_number, release_of
from benchmarks.loading import load_catalogs, open_session
from benchmarks.reports.load import read_runs
from benchmarks.reports.timeline import make_timeline, write_timeline
from benchmarks.runfolder.metrics_file import MetricsFile
from benchmarks.runfolder.record import read_record
from benchmarks.runner.run import command_line, run_benchmark
from benchmarks.seeds import of_seed
from benchmarks.study.matrix import Origin, build_matrices, label_of
from benchmarks.study.render import render
from benchmarks.study.settings import StudySettings, TrainingSet
from benchmarks.text import plain
from benchmarks.training.settings import TrainSettings, each_seed
from benchmarks.training.trainer import find_pictures, train
from registry import Catalogs, UserError

RUN = "run"
"""Folder in the study's own of the run over all trained detectors."""

_MIXED = "mixed"
_ENCODERS = ("weights", "allow_untrained", "seed")
"""Settings that decide which frozen encoders a detector reads, untrained ones by their seed."""


def run_study(settings: StudySettings, console: Console) -> tuple[MetricsFile, list[str]]:
    """Do what is still to be done: finished trainings and scored pictures are not done again.

    Returns:
        The metrics of the run over all trained detectors, in the folder `run` of the study, and a line for each
        training that ended early.

    Raises:
        UserError: a wrong request; it shows before the first training starts.
    """
    trainings = _trainings(settings)
    catalogs = load_catalogs(next(iter(trainings.values())).plugins)
    origins = _origins(settings, trainings, catalogs)
    frozen = next(iter(trainings.values())).seed_of_frozen
    _check_dates(settings.until, origins)
    _run_settings(settings, {}, frozen)
    trainings = _with_own_weights(settings, trainings, catalogs)
    problems: list[str] = []
    weights: dict[str, dict[int, Path]] = {}
    for label, one in [(label, one) for label, asked in trainings.items() for one in each_seed(asked)]:
        shown = of_seed(label, one.seed) if settings.seeds else label
        console.print(plain(f"training {shown}"), markup=False, highlight=False)
        try:
            result = train(one, console)
        except UserError as error:
            problems.append(f"{shown}: {error}")
            continue
        if result.complete:
            weights.setdefault(label, {})[one.seed] = result.best
        else:
            problems.append(f"{shown}: {result.reason}")
    if not weights:
        raise UserError(f"no training succeeded: {'; '.join(problems)}")
    read = {name: path for label in weights for name, path in trainings[label].weights.items()}
    run = _run_settings(settings, weights, frozen).model_copy(update={"weights": read})
    metrics = run_benchmark(run, command_line(), console)
    assert metrics is not None, "a study is one process"
    names = [detector.shown for detector in settings.detectors]
    generators = {name: one.generator or "" for name, one in read_record(run.out).datasets.items()}
    matrices = build_matrices(metrics, names, origins, generators, settings.metric)
    written = render(matrices, settings.out)
    if settings.until:
        (finished,) = read_runs([run.out])
        until = dict.fromkeys(finished.detectors, settings.until)
        written += write_timeline(make_timeline(finished, until), settings.out)
    for path in written:
        console.print(plain(f"written: {path}"), markup=False, soft_wrap=True, highlight=False)
    return metrics, problems


def _check_dates(until: str, origins: Mapping[str, Origin]) -> None:
    """Refuse training sets that hold what was not there until a month, if there is one."""
    if not until:
        return
    limit = month_number(until)
    for name, origin in origins.items():
        for generator in sorted(origin.generators):
            release = release_of(generator)
            if release is None:
                raise UserError(
                    f"until {until}: training set {name} has pictures of {generator}, whose release date is unknown"
                )
            if release.number > limit:
                raise UserError(
                    f"until {until}: training set {name} has pictures of {generator}, released {release.month}"
                )


def _trainings(settings: StudySettings) -> dict[str, TrainSettings]:
    """Settings of every training by the trained detector's name, detectors in the outer loop."""
    trainings = {}
    for detector in settings.detectors:
        for name, training_set in settings.training_sets.items():
            label = label_of(detector.shown, name)
            if label in trainings:
                raise UserError(f"two detectors are called {detector.shown!r}: give one a label")
            trainings[label] = _training(settings, detector.model_dump(exclude={"grid"}), name, training_set)
    return trainings


def _training(
    settings: StudySettings, detector: Mapping[str, Any], name: str, training_set: TrainingSet
) -> TrainSettings:
    own = {
        "detector": detector,
        "data": training_set.data.model_dump(),
        "validation": training_set.validation.model_dump() if training_set.validation else None,
        "out": settings.out / "training" / (detector["label"] or detector["name"]) / name,
        "seeds": settings.seeds,
    }
    for key in own:
        if key in settings.training:
            raise UserError(f"training.{key}: a study sets it itself for each training")
    return parse_settings(TrainSettings, {**settings.training, **own}, f"training on {name}")


def _run_settings(
    settings: StudySettings, weights: Mapping[str, Mapping[int, Path]], seed: int
) -> RunSettings:
    """The run over all trained detectors, with the encoders that they were trained on.

    weights: label → random seed of the training → its weights. seed: of untrained encoders.
    """
    for key in ("detectors", "out"):
        if key in settings.test:
            raise UserError(f"test.{key}: a study sets it itself")
    if "shard" in settings.test:
        raise UserError("test.shard: a study is one process; shard a run over the trained detectors")
    for key in _ENCODERS:
        if key in settings.test:
            raise UserError(
                f"test.{key}: a study tests with the encoders that it trains with: say it under training"
            )
    shared: dict[str, Any] = {
        key: settings.training[key]
        for key in (*_ENCODERS, "device", "plugins", "features", "features_size")
        if key in settings.training
    }
    detectors: list[dict[str, Any]] = [
        {
            "name": detector.name,
            "options": detector.options,
            "weights": path,
            **(
                {"label": of_seed(label, by), "group": label, "seed": by}
                if settings.seeds
                else {"label": label}
            ),
        }
        for detector in settings.detectors
        for name in settings.training_sets
        for label in [label_of(detector.shown, name)]
        for by, path in weights.get(label, {}).items()
    ]
    values: dict[str, Any] = {
        **shared,
        "seed": seed,
        **settings.test,
        "detectors": detectors,
        "out": settings.out / RUN,
    }
    return parse_settings(RunSettings, values, "test")


def _origins(
    settings: StudySettings, trainings: Mapping[str, TrainSettings], catalogs: Catalogs
) -> dict[str, Origin]:
    """Paradigm and generators of each training set's pictures."""
    origins = {}
    for name in settings.training_sets:
        asked = trainings[label_of(settings.detectors[0].shown, name)]
        found = find_pictures(asked.data, asked, catalogs)
        paradigms = {test_set.paradigm for test_set in found}
        origins[name] = Origin(
            paradigms.pop() if len(paradigms) == 1 else _MIXED,
            frozenset(test_set.generator for test_set in found),
        )
    return origins


def _with_own_weights(
    settings: StudySettings, trainings: Mapping[str, TrainSettings], catalogs: Catalogs
) -> dict[str, TrainSettings]:
    """The trainings without the files of networks that only other detectors of the study read.

    Raises:
        UserError: a detector, an option, a file or a name in `weights` is wrong.
    """
    first = next(iter(trainings.values()))
    shared = {
        **first.model_dump(include={"weights", "allow_untrained", "plugins"}),
        "seed": first.seed_of_frozen,
    }
    every = SessionSettings(detectors=settings.detectors, device="cpu", **shared)
    session = open_session(every, catalogs=catalogs, training=True)
    read = {label: set(record["encoders"]) for label, record in session.records.items()}
    variants = set().union(*read.values())
    own = {
        label: {name: path for name, path in first.weights.items() if name not in variants - read[label]}
        for label in read
    }
    return {
        label_of(detector.shown, name): trainings[label_of(detector.shown, name)].model_copy(
            update={"weights": own[detector.shown]}
        )
        for detector in settings.detectors
        for name in settings.training_sets
    }
