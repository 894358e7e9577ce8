"""Bootstrap replicates of many metrics at once, and percentile intervals from them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.tally import MIN_PER_CLASS, CountedMetric, Floats, Tally, group
from registry.dataset import FAKE, REAL

Metric = Callable[[NDArray[np.int64], NDArray[np.float32]], float]

RESAMPLES = 1000
LEVEL = 0.95
METHOD = "percentile, stratified by class"
"""How resamples are drawn. Replicates of two methods are not paired: change the text with the way."""
_CHUNK = 1 << 18
"""Pictures drawn at a time: counts of one chunk stay in the processor's cache."""


def generator(seed: int, dataset: str) -> np.random.Generator:
    """The random numbers for one test set.

    They depend on nothing else: not on the order of evaluation, and not on the detector or the
    perturbation, so replicate i draws the same pictures for all detectors and differences between
    detectors are paired.
    """
    digest = hashlib.sha256(f"{seed}\0{dataset}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def replicates(
    metrics: Mapping[str, Metric],
    labels: ArrayLike,
    logits: ArrayLike,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Every metric on `resamples` resamples, each float64 (resamples,).

    Stratified: each resample draws, with replacement, as many real and as many generated pictures as
    there are. Metrics that read a `Tally` are computed on whole chunks of resamples; others are called
    once per resample, and a resample on which one fails is NaN.
    """
    distinct, index, label = group(labels, logits)
    logit = np.asarray(logits, dtype=np.float32)
    kinds = [np.flatnonzero(label == kind) for kind in (REAL, FAKE)]
    found: dict[str, list[Floats]] = {name: [] for name in metrics}
    for drawn in _draws(kinds, resamples, rng):
        tally = Tally(distinct, *(_count(index[rows], len(distinct)) for rows in drawn))
        rows_of_each = np.concatenate(drawn, axis=1)
        for name, metric in metrics.items():
            if isinstance(metric, CountedMetric):
                found[name].append(metric.measure(tally))
            else:
                found[name].append(
                    np.array([measured(metric, label[rows], logit[rows]) for rows in rows_of_each])
                )
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measured(metric: Metric, labels: NDArray[np.int64], logits: NDArray[np.float32]) -> float:
    """A metric's value, NaN where it has none; whatever a stranger's metric raises means none."""
    try:
        return float(metric(labels, logits))
    except Exception:
        return math.nan


def interval(values: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """Percentile interval of replicates; None where a replicate is undefined."""
    if not len(values) or not np.isfinite(values).all():
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def enough(labels: ArrayLike) -> bool:
    """True where every class that is present has pictures enough for an interval."""
    counts = np.bincount(np.asarray(labels, dtype=int), minlength=2)
    return bool(counts.sum() and all(count == 0 or count >= MIN_PER_CLASS for count in counts))


def _draws(
    kinds: list[NDArray[np.intp]], resamples: int, rng: np.random.Generator
) -> Iterator[list[NDArray[np.intp]]]:
    """Row numbers of a chunk of resamples, one array (chunk, pictures of the class) per class."""
    size = max(1, _CHUNK // max(1, sum(map(len, kinds))))
    for start in range(0, resamples, size):
        chunk = min(size, resamples - start)
        yield [
            rows[rng.integers(len(rows), size=(chunk, len(rows)))]
            if len(rows)
            else np.empty((chunk, 0), dtype=np.intp)
            for rows in kinds
        ]


def _count(index: NDArray[np.intp], size: int) -> Floats:
    """Counts (chunk, size) of places (chunk, n)."""
    chunk = len(index)
    shifted = index + np.arange(chunk)[:, None] * size
    return np.bincount(shifted.ravel(), minlength=chunk * size).reshape(chunk, size).astype(float)
