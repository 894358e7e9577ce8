"""Macro means over test sets, per paradigm and over all, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.metrics.cell import COMPLETE, FAILED, PARTIAL, Measurement
from benchmarks.metrics.intervals import Limits, NoInterval, Way, correlation_of
from benchmarks.metrics.tally import Floats

Replicates = Mapping[str, Floats]
"""Bootstrap replicates (resamples,) by metric."""

ALL = "all"


def scopes(paradigms: Iterable[str]) -> list[str]:
    """The scopes of a run's means: its paradigms in the order of its test sets, then all of them."""
    return [*dict.fromkeys(paradigms), ALL]


def mean_of(
    scope: str,
    cells: Sequence[Mapping[str, Any]],
    measurements: Sequence[Measurement],
    ways: Mapping[str, Way],
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The mean over one detector's cells under one perturbation that belong to `scope`.

    Every test set weighs the same, however many pictures it has. Where one of them lacks a metric
    the mean is None, with the reason: a mean over fewer sets is not comparable.

    measurements: of each cell. ways: how the interval of each metric is made, and so the metrics.
    left_out: a test set that the mean of a metric does not include, by metric.
    """
    members = [cell for cell in cells if scope in (ALL, cell["paradigm"])]
    metrics: dict[str, float | None] = {}
    ci: dict[str, list[float] | None] = {}
    undefined: dict[str, str] = {}
    no_interval: dict[str, str] = {}
    for name, way in ways.items():
        counted = _counted(scope, cells, name, left_out)
        lacking = [cells[i]["dataset"] for i in counted if cells[i]["metrics"][name] is None]
        metrics[name] = ci[name] = None
        if lacking or not counted:
            undefined[name] = f"undefined on {', '.join(lacking)}" if lacking else "no other test set"
            continue
        metrics[name] = float(np.mean([cells[i]["metrics"][name] for i in counted]))
        try:
            found = mean_estimate(name, way, [measurements[i] for i in counted])
            ci[name] = [found.low, found.high] if found else None
        except NoInterval as reason:
            no_interval[name] = str(reason)
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
        **({"no_interval": no_interval} if no_interval else {}),
    }


def mean_estimate(name: str, way: Way, measurements: Sequence[Measurement]) -> Limits | None:
    """The interval of a metric's mean over test sets; None where no intervals were asked for.

    From the sets' own intervals and their correlation: 0 for a set that shares no picture, else that of the replicates,
    of which number i draws the pictures that sets share alike and the others independently.

    Raises:
        NoInterval: a set has none.
    """
    if lacking := [one.no_interval[name] for one in measurements if name in one.no_interval]:
        every = len(lacking) == len(measurements) and len(set(lacking)) == 1
        where = "" if every else f" (on {len(lacking)} of {len(measurements)} test sets)"
        raise NoInterval(f"{lacking[0]}{where}")
    if not all(name in one.estimates and name in one.replicates for one in measurements):
        return None
    replicates = [one.replicates[name] for one in measurements]
    sharing = np.array([one.shares for one in measurements])
    correlation = np.eye(len(replicates))
    if sharing.sum() > 1:
        drawn = np.stack([values for values, one in zip(replicates, sharing, strict=True) if one])
        correlation[np.ix_(sharing, sharing)] = correlation_of(drawn)
    return way.mean([one.estimates[name] for one in measurements], replicates, correlation)


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
