"""Thresholds chosen on one sample: the most accurate one, and the one for a false-positive rate."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.metrics.accuracy import acc
from benchmarks.metrics.tally import Tally, Undefined, group
from registry.dataset import REAL


def best_threshold(labels: ArrayLike, logits: ArrayLike) -> float:
    """The logit above which pictures are best called generated: highest accuracy on this sample.

    Half-way between two neighbouring logits, or 1 beyond the outermost; of equally good ones the
    nearest to 0.

    Raises:
        Undefined: too few pictures of a class.
    """
    tally = Tally.of(labels, logits)
    acc.measure(tally)
    distinct = tally.logits[::-1]
    between = (distinct[:-1] + distinct[1:]) / 2
    candidates = np.concatenate([[distinct[0] + 1], between, [distinct[-1] - 1]])
    right = tally.hits + (tally.n_real - tally.false_alarms)
    best = candidates[right == right.max()]
    return float(best[np.argmin(np.abs(best))])


def reals_needed(fpr: float) -> int:
    """Fewest real pictures on which a threshold for a false-positive rate in (0, 1) can be chosen: 1 / fpr, rounded up."""
    return math.ceil(1 / _exact(fpr))


def threshold_at_fpr(labels: ArrayLike, logits: ArrayLike, fpr: float) -> float:
    """The lowest threshold at which a new real picture is called generated with a chance of at most `fpr`.

    A picture is called generated above it. It is the k-th highest logit of the n real pictures, k being fpr × (n + 1)
    rounded down, so that a picture above it has the p-value (1 + real pictures that score as high) / (1 + n) ≤ fpr: for
    real pictures drawn like these, the chance of that is at most fpr (inductive conformal prediction; Vovk, Gammerman and
    Shafer, "Algorithmic learning in a random world", 2005). A threshold that lets fpr × n of these very pictures through
    lets about (fpr × n + 1) / (n + 1) of new ones through: twice what was asked at 1 % of 100.

    Raises:
        Undefined: fewer than `reals_needed(fpr)` real pictures.
    """
    _, _, label = group(labels, logits)
    real = np.sort(np.asarray(logits, dtype=float)[label == REAL])
    if len(real) < reals_needed(fpr):
        raise Undefined(
            f"{len(real)} real pictures, at least {reals_needed(fpr)} are needed for a false-positive rate of {fpr:g}"
        )
    return float(real[len(real) - math.floor(_exact(fpr) * (len(real) + 1))])


def _exact(fpr: float) -> Fraction:
    """As it is written in decimals: 3 of 300 is 1 %, whatever 0.01 is in binary."""
    return Fraction(repr(float(fpr)))
