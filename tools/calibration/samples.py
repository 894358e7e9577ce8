"""Simulated logits, and what a metric is on endlessly many pictures of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import Metric, generator
from benchmarks.metrics.cell import Measurement, measure
from benchmarks.metrics.intervals import Nothing, way_of
from benchmarks.metrics.shared import SharedPictures
from registry import load_plugins

Floats = NDArray[np.float64]

SIZES = (10, 40, 100, 400)
"""Real pictures of a test set, and as many generated ones."""
SIGNALS = (0.0, 1.0, 3.0)
"""Distance of the classes' normal logits, in standard deviations; they lie symmetrically about 0."""
SETS = 7
RESAMPLES = 50
"""Fewer than the product's own: a standard deviation from 50 resamples is off by 10 %, which costs up to half a percentage point of coverage."""
ALIKE = 0.5
"""Share of the variance of a logit that is the picture's own, the same for all detectors, trainings and conditions."""


@cache
def metrics_with_interval() -> dict[str, Metric]:
    """The registered metrics that have an interval at some size."""
    found = {one.name: one.load() for one in load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics}
    return {name: metric for name, metric in found.items() if not isinstance(way_of(metric), Nothing)}


def labels_of(n: int) -> NDArray[np.int64]:
    """n real pictures before n generated ones."""
    return np.repeat([0, 1], n)


def logits_of(
    rng: np.random.Generator, hardness: Floats, signal: float, common: bool = False
) -> NDArray[np.float32]:
    """One detector's logits (sets, 2n), each class standard normal, `signal` apart.

    hardness: (sets, 2n), the pictures' own part; common: it is that of sets with the same real pictures.
    """
    own = rng.normal(size=hardness.shape)
    n = hardness.shape[1] // 2
    if common:
        own[:, :n] = own[0, :n]
    mixed = ALIKE**0.5 * hardness + (1 - ALIKE) ** 0.5 * own
    return np.asarray((labels_of(n) - 0.5) * signal + mixed, np.float32)


def hardness_of(rng: np.random.Generator, n: int, sets: int, common: bool) -> Floats:
    """The pictures' own part (sets, 2n); common: all sets have the same real pictures."""
    drawn = rng.normal(size=(sets, 2 * n))
    if common:
        drawn[:, :n] = drawn[0, :n]
    return drawn


def sharing_of(rng: np.random.Generator, n: int, sets: int, seed: int) -> list[SharedPictures]:
    """What resamples have to know of sets with common real pictures."""
    names = rng.integers(0, 2**64, (sets, 2 * n), np.uint64)
    names[:, :n] = names[0, :n]
    return [SharedPictures(seed, one, (0,)) for one in names]


@cache
def endless(signal: float, n: int = 50_000) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels and logits of n equally likely quantiles of each class, so that a metric of them has no chance in it."""
    quantiles = scipy.stats.norm.ppf((np.arange(n) + 0.5) / n)
    labels = labels_of(n)
    return labels, (np.tile(quantiles, 2) + (labels - 0.5) * signal).astype(np.float32)


@cache
def truth(signal: float) -> Mapping[str, float]:
    """Every metric on endlessly many pictures."""
    values = measure(metrics_with_interval(), *endless(signal), 0, np.random.default_rng(0)).values
    return {name: value for name, value in values.items() if value is not None}


def measured(
    metrics: Mapping[str, Metric],
    logits: NDArray[np.float32],
    seed: int,
    sharing: list[SharedPictures] | None = None,
) -> list[Measurement]:
    """One detector on every set, as `evaluate` measures it: logits (sets, 2n)."""
    labels = labels_of(logits.shape[1] // 2)
    return [
        measure(
            metrics,
            labels,
            one,
            RESAMPLES,
            generator(seed, f"set {number}"),
            sharing[number] if sharing else None,
        )
        for number, one in enumerate(logits)
    ]
