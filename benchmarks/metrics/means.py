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
    chosen = [i for i, cell in enumerate(cells) if scope in (ALL, cell["paradigm"])]
    members = [cells[i] for i in chosen]
    metrics: dict[str, float | None] = {}
    ci: dict[str, list[float] | None] = {}
    undefined: dict[str, str] = {}
    for name in names:
        counted = [i for i in chosen if cells[i]["dataset"] != (left_out or {}).get(name)]
        lacking = [cells[i]["dataset"] for i in counted if cells[i]["metrics"][name] is None]
        metrics[name] = ci[name] = None
        if lacking or not counted:
            undefined[name] = f"undefined on {', '.join(lacking)}" if lacking else "no other test set"
            continue
        metrics[name] = float(np.mean([cells[i]["metrics"][name] for i in counted]))
        if all(name in replicates[i] for i in counted):
            bounds = interval(np.mean([replicates[i][name] for i in counted], axis=0))
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
