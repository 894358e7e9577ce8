"""Pictures counted by distinct logit: all that the built-in metrics read, for one sample or for many at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from registry.dataset import FAKE, REAL

if TYPE_CHECKING:
    from benchmarks.metrics.intervals import Way

Floats = NDArray[np.float64]

MIN_PER_CLASS = 5
"""Fewest pictures of a class for a metric that compares both classes, and for any confidence interval."""


class Undefined(ValueError):
    """A metric has no value on these pictures; the text says why."""


@dataclass(frozen=True, eq=False)
class Tally:
    """How many real and generated pictures have each logit.

    logits: the K distinct logits, ascending, float64 (exact values of the float32 logits).
    real, fake: counts, float64, shape (..., K); leading dimensions are separate samples, such as
        bootstrap resamples. The number of pictures of a class is the same in all samples.
    """

    logits: Floats
    real: Floats
    fake: Floats
    _of_logits: dict[Callable[[Floats], NDArray[Any]], NDArray[Any]] = field(default_factory=dict, repr=False)

    def of_logits(self, function: Callable[[Floats], NDArray[Any]]) -> NDArray[Any]:
        """function(logits), (K,): found once for this tally and all that are made of it by `recounted`."""
        if function not in self._of_logits:
            self._of_logits[function] = function(self.logits)
        return self._of_logits[function]

    def recounted(self, real: Floats, fake: Floats) -> Tally:
        """Other counts of the same logits."""
        return Tally(self.logits, real, fake, self._of_logits)

    @classmethod
    def of(cls, labels: ArrayLike, logits: ArrayLike) -> Tally:
        """Count one sample.

        Raises:
            Undefined: a logit is not finite.
            ValueError: shapes differ, or a label is neither 0 nor 1.
        """
        distinct, index, label = group(labels, logits)
        size = len(distinct)
        real, fake = (
            np.bincount(index[label == kind], minlength=size).astype(float) for kind in (REAL, FAKE)
        )
        return cls(distinct, real, fake)

    @cached_property
    def n_real(self) -> float:
        # weights of a resample make up whole pictures but for rounding
        return float(self.real.sum(-1).flat[0].round())

    @cached_property
    def n_fake(self) -> float:
        return float(self.fake.sum(-1).flat[0].round())

    @cached_property
    def false_alarms(self) -> Floats:
        """Real pictures at or above each threshold, (..., K + 1): from above all logits down to the lowest."""
        return _from_above(self.real)

    @cached_property
    def hits(self) -> Floats:
        """Generated pictures at or above each threshold, (..., K + 1), thresholds as `false_alarms`."""
        return _from_above(self.fake)


def group(labels: ArrayLike, logits: ArrayLike) -> tuple[Floats, NDArray[np.intp], NDArray[np.int64]]:
    """Distinct logits ascending, each picture's place among them, and the labels, all checked.

    Raises: as `Tally.of`.
    """
    label, logit = np.asarray(labels), np.asarray(logits, dtype=float)
    if label.ndim != 1 or label.shape != logit.shape:
        raise ValueError(f"labels and logits must be (N,), got {label.shape} and {logit.shape}")
    if not np.isin(label, (REAL, FAKE)).all():
        raise ValueError("labels must be 0 (real) or 1 (generated)")
    if broken := int((~np.isfinite(logit)).sum()):
        raise Undefined(f"{broken} of {len(logit)} logits are not finite")
    distinct, index = np.unique(logit, return_inverse=True)
    return distinct, index, label.astype(np.int64)


def _from_above(counts: Floats) -> Floats:
    total = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
    np.cumsum(counts[..., ::-1], axis=-1, out=total[..., 1:])
    return total


class CountedMetric:
    """A metric that is computed from a `Tally`, and so for all bootstrap resamples in one go.

    real, fake: the fewest pictures of each class that it is defined for. interval: how its interval is made, None for
    the percentile bootstrap.
    """

    def __init__(
        self, of: Callable[[Tally], Floats], real: int, fake: int, interval: Way | None = None
    ) -> None:
        functools.update_wrapper(self, of)
        self.of = of
        self.real = real
        self.fake = fake
        self.interval = interval

    def __call__(self, labels: ArrayLike, logits: ArrayLike) -> float:
        """The metric of one sample; raises `Undefined` where it has no value."""
        return float(self.measure(Tally.of(labels, logits)))

    def measure(self, tally: Tally) -> Floats:
        """The metric of every sample of a tally, shape (...)."""
        for kind, count, least in (
            ("real", tally.n_real, self.real),
            ("generated", tally.n_fake, self.fake),
        ):
            if count < least:
                raise Undefined(f"{count:.0f} {kind} pictures, at least {least} are needed")
        return np.asarray(self.of(tally))


def counted(
    real: int = MIN_PER_CLASS, fake: int = MIN_PER_CLASS, interval: Way | None = None
) -> Callable[[Callable[[Tally], Floats]], CountedMetric]:
    """Make a metric of a function of a `Tally`; the arguments are those of `CountedMetric`."""
    return lambda of: CountedMetric(of, real, fake, interval)
