"""Bootstrap replicates of many metrics at once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.shared import SharedPictures
from benchmarks.metrics.tally import CountedMetric, Floats, Tally, group
from registry.dataset import FAKE, REAL

Metric = Callable[[NDArray[np.int64], NDArray[np.float32]], float]

RESAMPLES = 1000
METHOD = "stratified by class, pictures that several sets hold drawn once for all"
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
    shared: SharedPictures | None = None,
) -> dict[str, Floats]:
    """Every metric on `resamples` resamples, each float64 (resamples,).

    Stratified: each resample draws, with replacement, as many real and as many generated pictures as
    there are. Metrics that read a `Tally` are computed on whole chunks of resamples; others are called
    once per resample, and a resample on which one fails is NaN.

    shared: pictures that other test sets hold, too; their class is drawn for all sets alike, with counts whose
        sum varies about the number of pictures and is brought to it for metrics that read a `Tally`.
    """
    distinct, index, label = group(labels, logits)
    logit = np.asarray(logits, dtype=np.float32)
    kinds = [np.flatnonzero(label == kind) for kind in (REAL, FAKE)]
    found: dict[str, list[Floats]] = {name: [] for name in metrics}
    common = [shared is not None and kind in shared.classes for kind in (REAL, FAKE)]
    own = [np.empty(0, np.intp) if both else rows for rows, both in zip(kinds, common, strict=True)]
    empty = Tally(distinct, *np.zeros((2, len(distinct))))
    begin = 0
    for drawn in _draws(own, resamples, rng, sum(map(len, kinds))):
        end = begin + len(drawn[0])
        counts = [
            shared.counts(rows, begin, end) if shared and both else None
            for rows, both in zip(kinds, common, strict=True)
        ]
        begin = end
        tally = empty.recounted(
            *(
                _count(index[rows], len(distinct))
                if weights is None
                else _weigh(index[all_], weights, len(distinct))
                for all_, rows, weights in zip(kinds, drawn, counts, strict=True)
            ),
        )
        for name, metric in metrics.items():
            if isinstance(metric, CountedMetric):
                found[name].append(metric.measure(tally))
            else:
                found[name].append(
                    np.array(
                        [measured(metric, label[rows], logit[rows]) for rows in _rows(kinds, drawn, counts)]
                    )
                )
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measured(metric: Metric, labels: NDArray[np.int64], logits: NDArray[np.float32]) -> float:
    """A metric's value, NaN where it has none; whatever a stranger's metric raises means none."""
    try:
        return float(metric(labels, logits))
    except Exception:
        return math.nan


def _draws(
    kinds: list[NDArray[np.intp]], resamples: int, rng: np.random.Generator, pictures: int
) -> Iterator[list[NDArray[np.intp]]]:
    """Row numbers of a chunk of resamples, one array (chunk, pictures of the class) per class.

    pictures: of the whole sample, by which memory is bounded.
    """
    size = max(1, _CHUNK // max(1, pictures))
    for start in range(0, resamples, size):
        chunk = min(size, resamples - start)
        yield [
            rows[rng.integers(len(rows), size=(chunk, len(rows)))]
            if len(rows)
            else np.empty((chunk, 0), dtype=np.intp)
            for rows in kinds
        ]


def _rows(
    kinds: list[NDArray[np.intp]], drawn: list[NDArray[np.intp]], counts: list[NDArray[np.intp] | None]
) -> Iterable[NDArray[np.intp]]:
    """The row numbers of every resample of a chunk, made when they are asked for."""
    for number in range(len(drawn[0])):
        yield np.concatenate(
            [
                rows[number] if weights is None else np.repeat(all_, weights[number])
                for all_, rows, weights in zip(kinds, drawn, counts, strict=True)
            ]
        )


def _weigh(index: NDArray[np.intp], weights: NDArray[np.intp], size: int) -> Floats:
    """Counts (chunk, size) of places (n,), each as often as `weights` (chunk, n) say, brought to the sum n."""
    chunk = len(weights)
    shifted = index[None, :] + np.arange(chunk)[:, None] * size
    counted = np.bincount(shifted.ravel(), weights.ravel().astype(float), minlength=chunk * size)
    scale = len(index) / weights.sum(1, keepdims=True) if len(index) else 1.0
    return np.asarray(counted.reshape(chunk, size) * scale, dtype=float)


def _count(index: NDArray[np.intp], size: int) -> Floats:
    """Counts (chunk, size) of places (chunk, n)."""
    chunk = len(index)
    shifted = index + np.arange(chunk)[:, None] * size
    return np.bincount(shifted.ravel(), minlength=chunk * size).reshape(chunk, size).astype(float)
