"""Resamples of pictures that several test sets hold: drawn once for all of them.

Sets that share their real pictures rise and fall together. Drawn set by set, as if independent, resamples of their mean
vary too little, and its interval and tests promise too much.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

Identities = NDArray[np.uint64]

_MOST = 16
_POISSON = scipy.stats.poisson.cdf(np.arange(_MOST), 1.0)
_STEP, _FIRST, _SECOND = (
    np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True, eq=False)
class SharedPictures:
    """Which pictures a test set holds, where other sets hold some of them, too.

    seed: random seed of the resamples. identities: uint64 (N,), equal for equal pictures whatever set they stand in.
    classes: those of which some picture is shared; the others are drawn set by set.
    """

    seed: int
    identities: Identities
    classes: Collection[int]

    def counts(self, rows: NDArray[np.intp], begin: int, end: int) -> NDArray[np.intp]:
        """How often each picture is in resamples `begin` to `end`: (end − begin, len(rows)), independent Poisson(1).

        A function of (seed, identity, number of the resample) alone, so that all sets that hold a picture draw it
        alike (the Poisson bootstrap, Chamandy et al., "Estimating uncertainty for massive data streams", 2012).
        A resample that would be empty takes every picture once.
        """
        with np.errstate(over="ignore"):
            numbers = np.arange(begin, end, dtype=np.uint64)[:, None] * _STEP
            mixed = _mixed(self.identities[rows] ^ _mixed(np.array([self.seed], np.uint64)))
            uniform = (_mixed(mixed[None, :] + numbers) >> np.uint64(11)) * 2.0**-53
        drawn = np.searchsorted(_POISSON, uniform, side="right")
        drawn[drawn.sum(1) == 0] = 1
        return drawn


def _mixed(x: Identities) -> Identities:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), which spreads every bit over all."""
    x = x + _STEP
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))
