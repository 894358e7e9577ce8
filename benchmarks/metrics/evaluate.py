"""`metrics.json` of a run folder, from its score files and what `run.json` says was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import atomic
from benchmarks.metrics.bootstrap import LEVEL, RESAMPLES, Metric, generator
from benchmarks.metrics.cell import Measurement, coverage, grouped_reasons, measure
from benchmarks.metrics.means import mean_of, scopes
from benchmarks.metrics.request import SCHEMA_VERSION, Request, read_request
from benchmarks.scores import Cell, cells, read_cell
from registry.card import MetricCard
from registry.catalog import Catalog
from registry.dataset import UNKNOWN_PARADIGM

FILE = "metrics.json"


def evaluate_run(
    run: Path,
    catalog: Catalog[MetricCard],
    bootstrap: int = RESAMPLES,
    seed: int | None = None,
) -> dict[str, Any]:
    """Compute every registered metric of every cell of a run, write `metrics.json`, and return it.

    bootstrap: number of resamples for the 95 % intervals; 0 computes none.
    seed: of the resamples, by default the run's own.

    Raises:
        UserError: no readable `run.json` in the folder, or a metric that cannot be loaded.
    """
    run = Path(run)
    request = read_request(run)
    seed = request.seed if seed is None else seed
    metrics: dict[str, Metric] = {entry.name: entry.load() for entry in catalog}
    found: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    paradigms = [_paradigm(facts) for facts in request.datasets.values()]
    for detector in request.detectors:
        for perturbation in request.perturbations:
            group = [
                _evaluate(run, request, Cell(detector, dataset, perturbation), metrics, bootstrap, seed)
                for dataset in request.datasets
            ]
            members, replicates = [cell for cell, _ in group], [r.replicates for _, r in group]
            found += members
            means += [
                mean_of(scope, members, replicates, list(metrics)) for scope in scopes(paradigms) if members
            ]
    result = {
        "schema": SCHEMA_VERSION,
        "bootstrap": {
            "method": "percentile, stratified by class",
            "level": LEVEL,
            "resamples": bootstrap,
            "seed": seed,
        },
        "metrics": {
            entry.name: {"summary": entry.card.summary, "higher_is_better": entry.card.higher_is_better}
            for entry in catalog
        },
        "cells": found,
        "means": means,
        "not_asked": [vars(cell) for cell in sorted(set(cells(run)) - set(request.cells()))],
    }
    _write(run / FILE, result)
    return result


def _paradigm(facts: Mapping[str, Any]) -> str:
    return facts.get("paradigm") or UNKNOWN_PARADIGM


def _evaluate(
    run: Path, request: Request, cell: Cell, metrics: Mapping[str, Metric], resamples: int, seed: int
) -> tuple[dict[str, Any], Measurement]:
    detector, dataset = request.detectors[cell.detector], request.datasets[cell.dataset]
    rows = read_cell(run, cell, columns=("path", "label", "logit", "error"))
    logits = rows["logit"].to_numpy(dtype=np.float32, na_value=np.nan)
    scored = rows["error"].isna() & np.isfinite(logits)
    measurement = measure(
        metrics,
        rows["label"].to_numpy()[scored],
        logits[scored],
        resamples,
        generator(seed, cell.dataset),
    )
    covered = coverage(rows, scored, dataset["asked"], detector.get("failed"))
    return {
        "detector": cell.detector,
        "dataset": cell.dataset,
        "paradigm": _paradigm(dataset),
        "generator": dataset.get("generator") or cell.dataset,
        "perturbation": cell.perturbation,
        "untrained": bool(detector.get("untrained")),
        "n_real": covered.n_real,
        "n_fake": covered.n_fake,
        "n_error": covered.n_error,
        "status": covered.status,
        "reason": covered.reason or grouped_reasons(measurement.undefined) or None,
        "metrics": measurement.values,
        "ci": {name: list(bounds) if bounds else None for name, bounds in measurement.intervals.items()},
        "undefined": measurement.undefined,
    }, measurement


def _write(path: Path, result: Mapping[str, Any]) -> None:
    """Write strict JSON atomically, one cell or mean per line so that two files can be compared."""
    parts = []
    for key, value in result.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if isinstance(value, list) and value:
            lines = (json.dumps(item, ensure_ascii=False, allow_nan=False) for item in value)
            text = "[\n  " + ",\n  ".join(lines) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    with atomic(path) as draft:
        draft.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
