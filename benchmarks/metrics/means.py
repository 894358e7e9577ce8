"""Macro means over test sets, per paradigm and over all, with intervals from averaged replicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.metrics.bootstrap import interval
from benchmarks.metrics.cell import COMPLETE, FAILED, PARTIAL
from benchmarks.metrics.tally import Floats

ALL = "all"

Replicates = Mapping[str, Floats]


def scopes(paradigms: Iterable[str]) -> list[str]:
    """The scopes of a run's means: its paradigms in the order of its test sets, then all of them."""
    return [*dict.fromkeys(paradigms), ALL]


def mean_of(
    scope: str,
    cells: Sequence[Mapping[str, Any]],
    replicates: Sequence[Replicates],
    names: Sequence[str],
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The mean over one detector's cells under one perturbation that belong to `scope`.

    Every test set weighs the same, however many pictures it has. Where one of them lacks a metric
    the mean is None, with the reason: a mean over fewer sets is not comparable.

    replicates: bootstrap replicates of each cell by metric. Replicate i of all of them draws the pictures that
    they share alike and the others independently, so the interval of the mean comes from averaging replicate
    by replicate.
    left_out: a test set that the mean of a metric does not include, by metric.
    """
    members = [cell for cell in cells if scope in (ALL, cell["paradigm"])]
    drawn = mean_replicates(scope, cells, replicates, names, left_out)
    metrics: dict[str, float | None] = {}
    ci: dict[str, list[float] | None] = {}
    undefined: dict[str, str] = {}
    for name in names:
        counted = [cells[i] for i in _counted(scope, cells, name, left_out)]
        lacking = [cell["dataset"] for cell in counted if cell["metrics"][name] is None]
        metrics[name] = ci[name] = None
        if lacking or not counted:
            undefined[name] = f"undefined on {', '.join(lacking)}" if lacking else "no other test set"
            continue
        metrics[name] = float(np.mean([cell["metrics"][name] for cell in counted]))
        if name in drawn:
            bounds = interval(drawn[name])
            ci[name] = list(bounds) if bounds else None
    scored = [cell for cell in members if cell["status"] != FAILED]
    incomplete = [f"{cell['dataset']} {cell['status']}" for cell in members if cell["status"] != COMPLETE]
    return {
        "detector": members[0]["detector"],
        "perturbation": members[0]["perturbation"],
        "scope": scope,
        "untrained": members[0]["untrained"],
        "n_sets": len(scored),
        "n_sets_expected": len(members),
        "status": FAILED if not scored else PARTIAL if incomplete else COMPLETE,
        "reason": ", ".join(incomplete) or None,
        "metrics": metrics,
        "ci": ci,
        "undefined": undefined,
    }


def mean_replicates(
    scope: str,
    cells: Sequence[Mapping[str, Any]],
    replicates: Sequence[Replicates],
    names: Sequence[str],
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Floats]:
    """The replicates (resamples,) of a mean by metric, of those that all its cells have; arguments of `mean_of`."""
    found = {}
    for name in names:
        counted = [replicates[i] for i in _counted(scope, cells, name, left_out)]
        if counted and all(name in one for one in counted):
            found[name] = np.mean([one[name] for one in counted], axis=0)
    return found


def _counted(
    scope: str, cells: Sequence[Mapping[str, Any]], name: str, left_out: Mapping[str, str] | None
) -> list[int]:
    """Which cells the mean of a metric includes."""
    without = (left_out or {}).get(name)
    return [
        i for i, cell in enumerate(cells) if scope in (ALL, cell["paradigm"]) and cell["dataset"] != without
    ]
