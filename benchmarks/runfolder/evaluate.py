"""`metrics.json` of a run folder, from its score files and what `run.json` says was asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import METHOD, RESAMPLES, Metric, generator
from benchmarks.metrics.cell import COMPLETE, Measurement, coverage, grouped_reasons, measure
from benchmarks.metrics.intervals import LEVEL, interval_facts, way_of
from benchmarks.metrics.means import mean_of, scopes
from benchmarks.metrics.tally import CountedMetric
from benchmarks.metrics.thresholds import (
    ACCURACIES,
    calibrated_names,
    calibrated_summaries,
    chosen_threshold,
    joined,
    measure_calibrated,
)
from benchmarks.runfolder.document import SCHEMA_VERSION, validated
from benchmarks.runfolder.metrics_file import METRICS, METRICS_FILE, MetricsFile, write_metrics
from benchmarks.runfolder.record import DatasetRecord, RunRecord, read_record
from benchmarks.runfolder.replicates import (
    REPLICATES_FILE,
    ReplicatesWriter,
    replicates_digest,
    replicates_writer,
)
from benchmarks.runfolder.scores import CLEAN, Cell, cells, read_cell
from benchmarks.runfolder.sharing import find_sharing
from registry.card import MetricCard
from registry.catalog import Catalog
from registry.dataset import UNKNOWN_PARADIGM
from registry.errors import unknown_name


def evaluate_run(
    run: Path,
    catalog: Catalog[MetricCard],
    bootstrap: int = RESAMPLES,
    seed: int | None = None,
    calibrate_on: str | None = None,
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
            result = compute_metrics(run, catalog, bootstrap, seed, calibrate_on, not_computed, keep)
    else:
        result = compute_metrics(run, catalog, bootstrap, seed, calibrate_on, not_computed)
        Path(run, REPLICATES_FILE).unlink(missing_ok=True)
    write_metrics(run, result)
    return result


def compute_metrics(
    run: Path,
    catalog: Catalog[MetricCard],
    bootstrap: int = RESAMPLES,
    seed: int | None = None,
    calibrate_on: str | None = None,
    not_computed: Mapping[str, str] | None = None,
    keep: ReplicatesWriter | None = None,
) -> MetricsFile:
    """The content of `metrics.json`, from the score files and what `run.json` says was asked.

    bootstrap: number of resamples for the 95 % intervals; 0 computes none.
    seed: random seed of the resamples, by default the run's own.
    calibrate_on: a test set of the run on whose clean pictures each detector's threshold is chosen; the
        accuracies at that threshold are added as `acc@<test set>` and so on.
    not_computed: metrics of the run that `catalog` lacks, with the reason, as `recorded_metrics` finds them.
    keep: takes the replicates of complete cells of trained detectors.

    Raises:
        UserError: no readable `run.json` in the folder, a metric that cannot be loaded, or no such test set.
    """
    run = Path(run)
    record = read_record(run)
    if calibrate_on is not None and calibrate_on not in record.datasets:
        raise unknown_name("test set", calibrate_on, record.datasets)
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
    thresholds: dict[str, float | str] = {}
    if calibrate_on is not None:
        known.update(calibrated_summaries(calibrate_on))
        ways |= {label: way_of(ACCURACIES[name]) for name, label in calibrated_names(calibrate_on).items()}
        for detector in record.detectors:
            _, labels, logits = _scored(run, Cell(detector, calibrate_on, CLEAN))
            thresholds[detector] = chosen_threshold(labels, logits, calibrate_on)
    left_out = {name: facts["left_out"] for name, facts in known.items() if "left_out" in facts}
    found: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    sharing = find_sharing(run)
    paradigms = [_paradigm(facts) for facts in record.datasets.values()]
    for detector in record.detectors:
        for perturbation in record.perturbations:
            members, measurements = [], []
            for dataset in record.datasets:
                cell = Cell(detector, dataset, perturbation)
                rows, labels, logits = _scored(run, cell)
                shared = sharing.of(dataset, rows["path"][rows["scored"]], labels, seed)
                rng = generator(seed, dataset)
                measurement = measure(metrics, labels, logits, bootstrap, rng, shared)
                if calibrate_on is not None:
                    rng = generator(seed, dataset)
                    more = measure_calibrated(
                        calibrate_on, thresholds[detector], dataset, labels, logits, bootstrap, rng, shared
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
            for scope in scopes(paradigms) if members else ():
                means.append(mean_of(scope, members, measurements, ways, left_out))
    result = {
        "schema": SCHEMA_VERSION,
        "bootstrap": {
            "method": METHOD,
            "level": LEVEL,
            "resamples": bootstrap,
            "seed": seed,
        },
        "calibrated": {"on": calibrate_on, "thresholds": thresholds} if calibrate_on is not None else None,
        "metrics": known,
        **({"not_computed": dict(not_computed)} if not_computed else {}),
        "cells": found,
        "means": means,
        "not_asked": [vars(cell) for cell in sorted(set(cells(run)) - set(record.cells()))],
    }
    return validated(result, MetricsFile, f"{run / METRICS_FILE} as computed")


def _paradigm(dataset: DatasetRecord) -> str:
    return dataset.paradigm or UNKNOWN_PARADIGM


def _scored(run: Path, cell: Cell) -> tuple[pd.DataFrame, NDArray[Any], NDArray[np.float32]]:
    """All rows of a cell with a column `scored`; labels and finite logits of those that have a score."""
    rows = read_cell(run, cell, columns=("path", "label", "logit", "error"))
    logits = rows["logit"].to_numpy(dtype=np.float32, na_value=np.nan)
    scored = rows["error"].isna().to_numpy() & np.isfinite(logits)
    return rows.assign(scored=scored), rows["label"].to_numpy()[scored], logits[scored]


def _cell(record: RunRecord, cell: Cell, rows: pd.DataFrame, measurement: Measurement) -> dict[str, Any]:
    detector, dataset = record.detectors[cell.detector], record.datasets[cell.dataset]
    covered = coverage(rows, {"real": dataset.asked.real, "fake": dataset.asked.fake}, detector.failed)
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
