"""`metrics.json` of a run folder, from its score files and what `run.json` says was asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import METHOD, RESAMPLES, Metric, generator
from benchmarks.metrics.cell import COMPLETE, Measurement, coverage, grouped_reasons, measure
from benchmarks.metrics.intervals import LEVEL, interval_facts, way_of
from benchmarks.metrics.means import Replicates, mean_of, mean_replicates, scopes
from benchmarks.metrics.tally import CountedMetric
from benchmarks.metrics.thresholds import reals_needed
from benchmarks.metrics.validation import Choice, Validation, choose, joined, measure_validated
from benchmarks.runfolder.document import SCHEMA_VERSION, validated
from benchmarks.runfolder.metrics_file import METRICS, METRICS_FILE, MetricsFile, write_metrics
from benchmarks.runfolder.record import DatasetRecord, RunRecord, read_record
from benchmarks.runfolder.replicates import (
    REPLICATES_FILE,
    ReplicatesWriter,
    replicates_digest,
    replicates_writer,
)
from benchmarks.runfolder.scores import CLEAN, Cell, CellRows, cells, read_rows
from benchmarks.runfolder.sharing import find_sharing, shared_paths
from benchmarks.runfolder.sources_digest import sources_digest
from benchmarks.runfolder.trainings import Trainings
from registry.card import MetricCard
from registry.catalog import Catalog
from registry.dataset import UNKNOWN_PARADIGM
from registry.errors import UserError, unknown_name


def evaluate_run(
    run: Path,
    catalog: Catalog[MetricCard],
    bootstrap: int = RESAMPLES,
    seed: int | None = None,
    calibrate_on: str | None = None,
    fpr: float | None = None,
    not_computed: Mapping[str, str] | None = None,
) -> MetricsFile:
    """Compute every registered metric of every cell of a run, write `metrics.json`, and return it.

    The replicates that comparisons need are kept beside it. The arguments and errors are those of
    `compute_metrics`.
    """
    if bootstrap:
        kept = [
            entry.name
            for entry in catalog
            if entry.name in METRICS or not isinstance(entry.load(), CountedMetric)
        ]
        with replicates_writer(run, kept, bootstrap) as keep:
            result = compute_metrics(run, catalog, bootstrap, seed, calibrate_on, fpr, not_computed, keep)
    else:
        result = compute_metrics(run, catalog, bootstrap, seed, calibrate_on, fpr, not_computed)
        Path(run, REPLICATES_FILE).unlink(missing_ok=True)
    write_metrics(run, result)
    return result


def compute_metrics(
    run: Path,
    catalog: Catalog[MetricCard],
    bootstrap: int = RESAMPLES,
    seed: int | None = None,
    calibrate_on: str | None = None,
    fpr: float | None = None,
    not_computed: Mapping[str, str] | None = None,
    keep: ReplicatesWriter | None = None,
) -> MetricsFile:
    """The content of `metrics.json`, from the score files and what `run.json` says was asked.

    bootstrap: number of resamples for the 95 % intervals; 0 computes none.
    seed: random seed of the resamples, by default the run's own.
    calibrate_on: a test set of the run on whose clean pictures, less those that other test sets hold, each detector's
        threshold is chosen and its likelihood ratios are calibrated; what follows is added as `acc@<test set>` and so on.
    fpr: a false-positive rate for which a second threshold is chosen there; added as `tpr_at_0.01@<test set>` and so on.
    not_computed: metrics of the run that `catalog` lacks, with the reason, as `recorded_metrics` finds them.
    keep: takes the replicates of complete cells of trained detectors.

    Raises:
        UserError: no readable `run.json` in the folder, a metric that cannot be loaded, no such test set, or one
            with too few real pictures for `fpr`.
    """
    run = Path(run)
    # before anything is read: of what is written meanwhile, the metrics do not claim to be
    computed_from = sources_digest(run)
    record = read_record(run)
    validation = asked_validation(
        calibrate_on, fpr, {name: facts.asked.real for name, facts in record.datasets.items()}
    )
    seed = (record.seed or 0) if seed is None else seed
    metrics: dict[str, Metric] = {entry.name: entry.load() for entry in catalog}
    known: dict[str, dict[str, Any]] = {
        entry.name: {
            "summary": entry.card.summary,
            "higher_is_better": entry.card.higher_is_better,
            "interval": interval_facts(metrics[entry.name]),
        }
        for entry in catalog
    }
    ways = {name: way_of(metric) for name, metric in metrics.items()}
    choices: dict[str, Choice] = {}
    if validation is not None:
        known.update(validation.summaries())
        ways |= {name: way_of(metric) for name, metric in validation.metrics.items()}
        common = shared_paths(run, validation.on, record.datasets.keys() - {validation.on})
        for detector in record.detectors:
            rows, labels, logits = _scored(run, Cell(detector, validation.on, CLEAN))
            own = np.array([path not in common for path in rows.paths[rows.scored]], dtype=bool)
            choices[detector] = choose(validation, labels[own], logits[own])
    left_out = {name: facts["left_out"] for name, facts in known.items() if "left_out" in facts}
    found: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    trainings = Trainings(record)
    sharing = find_sharing(run)
    paradigms = [_paradigm(facts) for facts in record.datasets.values()]
    for detector in record.detectors:
        for perturbation in record.perturbations:
            members, measurements = [], []
            for dataset in record.datasets:
                cell = Cell(detector, dataset, perturbation)
                rows, labels, logits = _scored(run, cell)
                shared = sharing.of(dataset, rows.paths[rows.scored], labels, seed)
                rng = generator(seed, dataset)
                measurement = measure(metrics, labels, logits, bootstrap, rng, shared)
                if validation is not None:
                    again = partial(generator, seed, dataset)
                    choice = choices[detector]
                    more = measure_validated(
                        validation, choice, dataset, labels, logits, bootstrap, again, shared
                    )
                    measurement = joined(measurement, more)
                members.append(_cell(record, cell, rows, measurement))
                if keep and members[-1]["status"] == COMPLETE and not members[-1]["untrained"]:
                    digest = replicates_digest(labels, logits, seed, bootstrap, shared)
                    keep.add(cell, digest, measurement.replicates)
                measurements.append(measurement)
            found += members
            if keep:
                keep.flush()
            of_detector: list[tuple[dict[str, Any], Replicates]] = []
            for scope in scopes(paradigms) if members else ():
                replicates = [one.replicates for one in measurements]
                mean = mean_of(scope, members, measurements, ways, left_out)
                drawn = mean_replicates(scope, members, replicates, list(known), left_out)
                of_detector.append((mean, drawn))
            means += [mean for mean, _ in of_detector]
            with_replicates = [
                (member, one.replicates) for member, one in zip(members, measurements, strict=True)
            ]
            trainings.add(detector, perturbation, with_replicates, of_detector)
    result = {
        "schema": SCHEMA_VERSION,
        "computed_from": computed_from,
        "bootstrap": {
            "method": METHOD,
            "level": LEVEL,
            "resamples": bootstrap,
            "seed": seed,
        },
        "calibrated": _calibrated(validation, choices) if validation is not None else None,
        "metrics": known,
        **({"not_computed": dict(not_computed)} if not_computed else {}),
        "cells": found,
        "means": means,
        **trainings.as_written(),
        "not_asked": [vars(cell) for cell in sorted(set(cells(run)) - set(record.cells()))],
    }
    return validated(result, MetricsFile, f"{run / METRICS_FILE} as computed")


def asked_validation(on: str | None, fpr: float | None, reals: Mapping[str, int]) -> Validation | None:
    """The validation set asked for, if any; reals: how many real pictures each test set has.

    Raises:
        UserError: no such test set, or too few real pictures for the false-positive rate.
    """
    if on is None:
        if fpr is not None:
            raise UserError(
                "a false-positive rate needs a validation set, on whose real pictures its threshold is chosen: "
                "name one with --calibrate-on"
            )
        return None
    if on not in reals:
        raise unknown_name("test set", on, reals)
    if fpr is not None and reals[on] < reals_needed(fpr):
        raise UserError(
            f"a threshold for a false-positive rate of {fpr:g} needs {reals_needed(fpr)} real pictures, {on} has {reals[on]}: "
            "choose a larger validation set or a higher rate"
        )
    return Validation(on, fpr)


def _calibrated(validation: Validation, choices: Mapping[str, Choice]) -> dict[str, Any]:
    """What was chosen, as metrics.json has it."""
    found: dict[str, Any] = {
        "on": validation.on,
        "thresholds": {name: one.threshold for name, one in choices.items()},
        "calibrations": {
            name: one.calibration if isinstance(one.calibration, str) else list(one.calibration)
            for name, one in choices.items()
        },
    }
    if validation.fpr is not None:
        found |= {"fpr": validation.fpr, "at_fpr": {name: one.at_fpr for name, one in choices.items()}}
    return found


def _paradigm(dataset: DatasetRecord) -> str:
    return dataset.paradigm or UNKNOWN_PARADIGM


def _scored(run: Path, cell: Cell) -> tuple[CellRows, NDArray[Any], NDArray[np.float32]]:
    """All rows of a cell; labels and finite logits of those that have a score."""
    rows = read_rows(run, cell)
    scored = rows.scored
    return rows, rows.labels[scored], rows.logits[scored]


def _cell(record: RunRecord, cell: Cell, rows: CellRows, measurement: Measurement) -> dict[str, Any]:
    detector, dataset = record.detectors[cell.detector], record.datasets[cell.dataset]
    asked = {"real": dataset.asked.real, "fake": dataset.asked.fake}
    scored = rows.scored
    errors = [rows.errors.get(i, "the logit is not finite") for i in np.flatnonzero(~scored).tolist()]
    covered = coverage(rows.labels, scored, errors, asked, detector.failed)
    return {
        "detector": cell.detector,
        "dataset": cell.dataset,
        "paradigm": _paradigm(dataset),
        "generator": dataset.generator or cell.dataset,
        "perturbation": cell.perturbation,
        "untrained": detector.untrained,
        "n_real": covered.n_real,
        "n_fake": covered.n_fake,
        "n_error": covered.n_error,
        "status": covered.status,
        "reason": covered.reason or grouped_reasons(measurement.undefined) or None,
        "metrics": measurement.values,
        "ci": {name: list(bounds) if bounds else None for name, bounds in measurement.intervals.items()},
        "undefined": measurement.undefined,
        **({"no_interval": measurement.no_interval} if measurement.no_interval else {}),
    }
