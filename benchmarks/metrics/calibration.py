"""How far scores can be read as probabilities; score = sigmoid(logit) in float64."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from benchmarks.metrics.accuracy import acc
from benchmarks.metrics.intervals import Nothing, Score
from benchmarks.metrics.tally import Floats, Tally, counted

BINS = 15


@counted(
    interval=Nothing(
        "it is biased upwards: that of a calibrated detector lies above 0, and so do all resamples"
    )
)
def ece(tally: Tally) -> Floats:
    """Expected calibration error of P(generated). Lower is better.

    15 bins of equal width over the score in [0, 1], closed below and open above, the last one closed
    on both sides. Per bin |share of generated pictures − mean score|, averaged with the bins' shares of
    all pictures (the l1 form; Guo et al., 2017, arXiv 1706.04599, for the positive class's score).
    It depends on the share of generated pictures in the test set.
    """
    score, starts = tally.of_logits(expit), tally.of_logits(_bin_starts)
    excess = tally.fake * (1 - score) - tally.real * score
    return np.abs(np.add.reduceat(excess, starts, axis=-1)).sum(-1) / (tally.n_real + tally.n_fake)


@counted(
    interval=Score(
        "score interval, bootstrap variance",
        least=lambda n_real, n_fake: n_real + n_fake,
        wrong=lambda tally: float((1 - acc.of(tally)) * (tally.n_real + tally.n_fake)),
    )
)
def brier(tally: Tally) -> Floats:
    """Mean of (score − label)². Lower is better."""
    squares = tally.real @ tally.of_logits(_square_if_real) + tally.fake @ tally.of_logits(_square_if_fake)
    return squares / (tally.n_real + tally.n_fake)


def _square_if_real(logits: Floats) -> Floats:
    return np.asarray(expit(logits) ** 2)


def _square_if_fake(logits: Floats) -> Floats:
    return np.asarray(expit(-logits) ** 2)


def _bin_starts(logits: Floats) -> np.ndarray:
    """Where each bin that is not empty starts: logits ascend."""
    return np.flatnonzero(np.diff(bin_of(expit(logits)), prepend=-1))


def bin_of(score: Floats) -> np.ndarray:
    """Which of the `BINS` bins each score lies in, 0 to 14."""
    return np.minimum((score * BINS).astype(int), BINS - 1)
