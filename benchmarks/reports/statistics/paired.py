"""Tests between detectors that scored the same pictures; every p-value is two-sided."""

from __future__ import annotations

import numpy as np
import scipy.stats
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


def bootstrap_p(difference: Floats, replicated: Floats) -> Floats:
    """p-values of no difference: observed difference (...) over the standard deviation of its paired replicates.

    replicated: (..., resamples). Compared with the normal distribution, as pROC's `roc.test` does (Robin
    et al., 2011): counting replicates beyond 0 cannot go below 2 / resamples, too coarse to correct for
    many comparisons. NaN where the replicates do not vary but the difference is not 0.
    """
    spread = replicated.std(axis=-1, ddof=1)
    known = spread > 1e-12
    p = np.where(known, 2 * scipy.stats.norm.sf(np.abs(difference) / np.where(known, spread, 1.0)), np.nan)
    return np.where(np.isclose(difference, 0, rtol=0, atol=1e-12), 1.0, p)


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
