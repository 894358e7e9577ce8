"""Tests between detectors that scored the same pictures; every p-value is two-sided."""

from __future__ import annotations

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.intervals import LEVEL, AtFalsePositiveRate, Nothing, Way

Floats = NDArray[np.float64]

_LEAST = 100
"""Fewest pictures of a class for the interval of a difference: detectors that seldom err have too little variance in fewer."""


def mcnemar(right: NDArray[np.bool_]) -> Floats:
    """Exact McNemar test of equal accuracy for every pair of detectors.

    right: (D, N), True where detector d calls picture n what it is.
    Returns p-values (D, D): the binomial test of the pictures that only one of the two gets right
    (McNemar, 1947; exact form). 1 where there are none.
    """
    votes = right.astype(float)
    only_first = votes @ (1 - votes).T
    only_second = only_first.T
    discordant = only_first + only_second
    return np.minimum(1.0, 2 * scipy.stats.binom.cdf(np.minimum(only_first, only_second), discordant, 0.5))


def delong_p(auroc: Floats, covariance: Floats) -> Floats:
    """p-values (D, D) of equal AUROC from `benchmarks.metrics.delong`; NaN where the difference has no variance to judge by."""
    difference = auroc[:, None] - auroc[None, :]
    own = np.diag(covariance)
    variance = own[:, None] + own[None, :] - 2 * covariance
    # rounding leaves a variance of about 1e-20 where two detectors rank alike
    known = variance > 1e-15
    z = np.abs(difference) / np.sqrt(np.where(known, variance, 1.0))
    p = np.where(known, 2 * scipy.stats.norm.sf(z), np.nan)
    return np.where(np.isclose(difference, 0, rtol=0, atol=1e-12), 1.0, p)


def bootstrap_p(difference: Floats, replicated: Floats, way: Way, pictures: int) -> Floats:
    """p-values of no difference: observed difference (...) over the standard deviation of its paired replicates.

    replicated: (..., resamples). way: of the metric's own interval. pictures: of the smaller class of the smallest test
    set, each counted as `way.weight`. Student's t for them, and not the normal distribution as in pROC's `roc.test` (Robin et al., 2011), which is right for many pictures: with 10 per
    class it finds differences between equal detectors in up to 11 % of simulations. Counting replicates beyond 0 cannot go
    below 2 / resamples, too coarse to correct for many comparisons. NaN where the replicates do not vary but the
    difference is not 0.
    """
    spread, freedom = _spread(replicated, way, pictures)
    known = spread > 1e-12
    t = np.abs(difference) / np.where(known, spread, 1.0)
    p = np.where(known, 2 * scipy.special.stdtr(freedom, -t), np.nan)
    return np.where(np.isclose(difference, 0, rtol=0, atol=1e-12), 1.0, p)


def difference_interval(
    difference: Floats, replicated: Floats, way: Way, pictures: int
) -> tuple[Floats, Floats]:
    """Low and high of the 95 % interval that goes with `bootstrap_p`, of its arguments; NaN where replicates do not vary."""
    spread, freedom = _spread(replicated, way, pictures)
    reach = scipy.special.stdtrit(freedom, (1 + LEVEL) / 2) * np.where(spread > 1e-12, spread, np.nan)
    return difference - reach, difference + reach


def difference_has_interval(way: Way, pictures: int) -> bool:
    """Whether differences in a metric have intervals; arguments as above."""
    return not isinstance(way, Nothing) and pictures >= max(_LEAST, way.real, way.fake)


def can_be_tested(way: Way, pictures: int) -> bool:
    """Whether `bootstrap_p` holds for differences in a metric; arguments as above.

    A true-positive rate at a false-positive rate hangs on a few real pictures: where they are too few for its interval, equal
    detectors differ in up to 14 % of simulations.
    """
    return not isinstance(way, AtFalsePositiveRate) or pictures >= way.real


def _spread(replicated: Floats, way: Way, pictures: int) -> tuple[Floats, float]:
    """Standard deviation of a difference and its degrees of freedom."""
    count = max(2.0, way.weight * pictures)
    # resamples of n pictures vary by (n - 1) / n of what samples do
    return np.asarray(replicated.std(axis=-1, ddof=1) * np.sqrt(count / (count - 1))), count - 1


def order_holds(difference: Floats, replicated: Floats) -> Floats:
    """Share of the replicates in which a difference has the sign that was observed; ties do not have it.

    difference (...), replicated (..., resamples). NaN where there is no difference.
    """
    equal = np.isclose(difference, 0, rtol=0, atol=1e-12)
    same = (replicated * np.sign(difference)[..., None] > 1e-12).mean(-1)
    return np.where(equal, np.nan, same)


def holm(p: Floats) -> Floats:
    """p-values (K,) corrected for K comparisons by Holm (1979); NaN counts as a comparison and stays NaN."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.fmax.accumulate(steps))
    corrected[np.isnan(p)] = np.nan
    return corrected
