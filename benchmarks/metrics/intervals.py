"""95 % confidence intervals: one way for each metric, chosen for its coverage, which `docs/calibration.md` has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.delong import delong
from benchmarks.metrics.tally import MIN_PER_CLASS, Floats, Tally

LEVEL = 0.95
FEW = 10
"""With fewer pictures on the wrong side of the best threshold, their variance cannot be trusted."""
_TAIL = (1 - LEVEL) / 2


class NoInterval(ValueError):
    """A metric has a value but no interval on these pictures; the text says why."""


@dataclass(frozen=True)
class Limits:
    """An interval from `low` to `high` about `centre`, the metric's value; low ≤ centre ≤ high but for `Percentile`."""

    centre: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resampled:
    """One metric on one sample. labels, logits: (N,); tally: of them; replicates: float64 (resamples,), of `value`."""

    labels: NDArray[Any]
    logits: NDArray[Any]
    tally: Tally
    value: float
    replicates: Floats


def combined(estimates: Sequence[Limits], weights: Floats, correlation: NDArray[Any] | None = None) -> Limits:
    """Σ weight × estimate: the distances to the limits are added like standard errors (MOVER; Zou and Donner, 2008).

    weights: (K,), negative for what is taken away. correlation: (K, K) of the estimates; None for independent ones.
    """
    centre, low, high = (np.array([getattr(e, k) for e in estimates]) for k in ("centre", "low", "high"))
    total = float(weights @ centre)
    correlation = np.eye(len(weights)) if correlation is None else correlation
    sides = (centre - low, high - centre)
    below, above = (
        math.sqrt(max(0.0, float(distance @ correlation @ distance)))
        for distance in (weights * np.where(weights > 0, *way) for way in (sides, sides[::-1]))
    )
    return Limits(total, total - below, total + above)


def correlation_of(replicates: NDArray[Any], signs: NDArray[Any] | None = None) -> NDArray[Any]:
    """Correlation (K, K) of replicates (K, resamples).

    signs: (K,), of the weights that the estimates are combined with. What does not vary may go along with all others of
    its sign, and not at all with the rest: 1 and 0 are what gives the wider interval. None: all have one sign.
    """
    varies = replicates.std(axis=1) > 1e-12
    found = np.ones((len(replicates),) * 2) if signs is None else np.equal.outer(signs, signs).astype(float)
    found[np.ix_(varies, varies)] = np.corrcoef(replicates[varies]) if varies.any() else 1.0
    return found


class Way:
    """How an interval is made. text: as tables say it; real, fake: fewest pictures of each class."""

    text: str
    real: int = MIN_PER_CLASS
    fake: int = MIN_PER_CLASS
    measured = True
    """Whether `docs/calibration.md` has its coverage."""
    weight: float = 1.0
    """What a picture counts for where detectors are compared by resamples: less than 1 where these vary too little."""

    def of(self, sample: Resampled) -> Limits:
        """The interval of one sample; raises `NoInterval`."""
        counts = np.bincount(sample.labels.astype(int), minlength=2)
        for kind, count, least in zip(("real", "generated"), counts, (self.real, self.fake), strict=True):
            # a metric of one class has a value, and an interval, without the other
            if 0 < count < least:
                raise NoInterval(f"{count} {kind} pictures, at least {least} are needed for an interval")
        return self._of(sample)

    def _of(self, sample: Resampled) -> Limits:
        raise NotImplementedError

    def mean(
        self, estimates: Sequence[Limits], replicates: Sequence[Floats], correlation: NDArray[Any]
    ) -> Limits:
        """The interval of the mean over test sets; correlation: (sets, sets) of the sets' estimates."""
        return combined(estimates, np.full(len(estimates), 1 / len(estimates)), correlation)


@dataclass(frozen=True)
class Rates(Way):
    """Of a rate, or of a weighted sum of independent rates: exact binomial limits of each (Clopper and Pearson, 1934).

    parts: (weight, successes, trials) of each rate.
    """

    parts: Callable[[Tally], Sequence[tuple[float, float, float]]]
    text: str = "exact binomial, real and generated pictures apart"
    real: int = 1
    fake: int = 1

    def _of(self, sample: Resampled) -> Limits:
        found = [(weight, exact(k, n)) for weight, k, n in self.parts(sample.tally)]
        return combined([one for _, one in found], np.array([weight for weight, _ in found]))


def exact(successes: float, trials: float) -> Limits:
    """Clopper–Pearson limits of a rate."""
    k, n = successes, trials
    low = scipy.special.betaincinv(k, n - k + 1, _TAIL) if k > 0 else 0.0
    high = scipy.special.betaincinv(k + 1, n - k, 1 - _TAIL) if k < n else 1.0
    return Limits(k / n, float(low), float(high))


@dataclass(frozen=True)
class Score(Way):
    """Wilson's score interval of a number in [0, 1] with an effective number of pictures, value × (1 − value) / variance.

    The variance is DeLong's or that of the replicates. Where only `FEW` pictures are called wrongly it is too small, or
    0: then at most `least` pictures count, the smaller class for numbers of ranks, for which no variance is larger than
    value × (1 − value) / (pictures of the smaller class) in AUROC (Birnbaum and Klose, 1957); half of it for AP, whose
    terms are correlated; all pictures for means over pictures. Student's t for the smaller class.

    corrected: the bias that resamples show is taken off the value first. It is small beside one set's interval, but not
    beside that of a mean over many sets.
    """

    text: str
    variance: Callable[[Resampled], float] = field(
        default=lambda sample: float(sample.replicates.var(ddof=1))
    )
    least: Callable[[float, float], float] = min
    wrong: Callable[[Tally], float] = field(default=lambda tally: _wrong_at_best(tally))
    corrected: bool = False
    real: int = 10
    fake: int = 10
    weight: float = 1.0

    def _of(self, sample: Resampled) -> Limits:
        tally, value = sample.tally, sample.value
        n_real, n_fake = tally.n_real, tally.n_fake
        if self.corrected:
            value = min(max(2 * value - float(sample.replicates.mean()), 0.0), 1.0)
        smaller = min(n_real, n_fake)
        variance = self.variance(sample)
        size = value * (1 - value) / variance if variance > 1e-15 else math.inf
        if self.wrong(tally) < FEW or not 0 < size < math.inf:
            size = min(size or math.inf, self.least(n_real, n_fake))
        low, high = wilson(value, size, float(scipy.special.stdtrit(smaller - 1, 1 - _TAIL)))
        return Limits(value, min(low, value, sample.value), max(high, value, sample.value))


def wilson(value: float, size: float, z: float) -> tuple[float, float]:
    """Wilson's score limits (1927) of a rate in `size` trials, which need not be a whole number."""
    scale = 1 + z * z / size
    centre = (value + z * z / (2 * size)) / scale
    half = z * math.sqrt(value * (1 - value) / size + z * z / (4 * size * size)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def _wrong_at_best(tally: Tally) -> float:
    return float((tally.false_alarms + tally.n_fake - tally.hits).min())


def delong_variance(sample: Resampled) -> float:
    """DeLong's variance of AUROC."""
    _, covariance = delong(sample.labels.astype(int), sample.logits[None].astype(float))
    return float(covariance[0, 0])


@dataclass(frozen=True)
class Positive(Way):
    """Of a mean of costs, which has no upper bound: Student's t for the smaller class, on the logarithm.

    Its standard deviation is that of the replicates, of which n pictures have (n - 1) / n of the variance, over the value
    (delta method). Costs have a long tail, so the upper
    limit has to be farther than the lower one; percentiles of the replicates cover too seldom with few pictures.
    """

    text: str = "Student's t on the logarithm, bootstrap variance"
    real: int = 10
    fake: int = 10

    def _of(self, sample: Resampled) -> Limits:
        value, smaller = sample.value, min(sample.tally.n_real, sample.tally.n_fake)
        if value <= 0:
            raise NoInterval(f"the value is {value:g}, which has no logarithm")
        quantile = float(scipy.special.stdtrit(smaller - 1, 1 - _TAIL))
        spread = float(sample.replicates.std(ddof=1)) * math.sqrt(smaller / (smaller - 1))
        factor = math.exp(quantile * spread / value)
        return Limits(value, value / factor, value * factor)


@dataclass(frozen=True)
class AtFalsePositiveRate(Way):
    """Of the true-positive rate at a false-positive rate of `percent`: no assumption on the scores.

    The threshold lies between two of the real pictures' logits in 95 % of samples, by the binomial distribution; the
    true-positive rates there, and the exact binomial limits at the threshold that was found, are combined as independent.
    With fewer real pictures than `real` not even the highest of them is above the threshold often enough.
    """

    percent: int
    text: str = "order statistics of the real pictures and exact binomial"

    @property
    def real(self) -> int:  # type: ignore[override]
        return math.ceil(math.log(_TAIL) / math.log(1 - self.percent / 100))

    def _of(self, sample: Resampled) -> Limits:
        tally, value = sample.tally, sample.value
        n_real = int(tally.n_real)
        fewest, most = _reals_above(n_real, self.percent)
        # thresholds strictly above the `fewest`-th highest real logit, and at the `most`-th
        strict = int(np.searchsorted(tally.false_alarms, fewest, side="left")) - 1
        lenient = int(np.searchsorted(tally.false_alarms, most, side="left"))
        ends = [float(tally.hits[min(at, len(tally.hits) - 1)]) / tally.n_fake for at in (strict, lenient)]
        own = exact(round(value * tally.n_fake), tally.n_fake)
        moved = Limits(0.0, min(0.0, ends[0] - value), max(0.0, ends[1] - value))
        found = combined([own, moved], np.ones(2))
        return Limits(value, max(0.0, found.low), min(1.0, found.high))


@functools.cache
def _reals_above(n_real: int, percent: int) -> tuple[int, int]:
    """How many of the real pictures lie above their own upper percentile: 95 % of samples have from the first to below the second."""
    above = scipy.stats.binom(n_real, percent / 100)
    return int(above.ppf(_TAIL)), int(above.ppf(1 - _TAIL)) + 1


@dataclass(frozen=True)
class Nothing(Way):
    """No interval. text: why none of the ways known covers."""

    text: str

    def of(self, sample: Resampled) -> Limits:
        raise NoInterval(self.text)


@dataclass(frozen=True)
class Percentile(Way):
    """Percentile bootstrap, for metrics of which nothing is known: their coverage is not measured."""

    text: str = "percentile bootstrap"
    measured: bool = False

    def _of(self, sample: Resampled) -> Limits:
        return self._percentiles(sample.value, sample.replicates)

    def mean(
        self, estimates: Sequence[Limits], replicates: Sequence[Floats], correlation: NDArray[Any]
    ) -> Limits:
        centre = float(np.mean([one.centre for one in estimates]))
        return self._percentiles(centre, np.mean(replicates, axis=0))

    def _percentiles(self, value: float, replicates: Floats) -> Limits:
        if not len(replicates) or not np.isfinite(replicates).all():
            raise NoInterval("undefined on some resamples")
        low, high = np.quantile(replicates, (_TAIL, 1 - _TAIL))
        return Limits(value, float(low), float(high))


PERCENTILE = Percentile()


def way_of(metric: object) -> Way:
    """How a metric's interval is made: its attribute `interval`, or the percentile bootstrap."""
    way = getattr(metric, "interval", PERCENTILE)
    return way if isinstance(way, Way) else PERCENTILE


def interval_facts(metric: object) -> dict[str, Any]:
    """What metrics.json says of a metric's interval."""
    way = way_of(metric)
    return {"method": way.text, "measured": way.measured}
