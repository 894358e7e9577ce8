"""Metrics of the order of the logits alone; equal logits share one threshold and are never split."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.intervals import AtFalsePositiveRate, Score, delong_variance
from benchmarks.metrics.tally import Floats, Tally, counted


@counted(
    interval=Score(
        "score interval, bootstrap variance and bias",
        least=lambda n_real, n_fake: min(n_real, n_fake) / 2,
        corrected=True,
        # in smaller sets it holds for one set, but not for the mean over several
        real=100,
        fake=100,
        # the few real pictures that rank highest decide: resamples vary less than samples, by 4 to 12 % in standard deviation
        weight=1 / 4,
    )
)
def ap(tally: Tally) -> Floats:
    """Average precision: sum over thresholds of (recall gained) × (precision there), no interpolation.

    As `sklearn.metrics.average_precision_score`, generated being the positive class.
    """
    gained = tally.fake[..., ::-1]
    called = tally.hits[..., 1:] + tally.false_alarms[..., 1:]
    # where nothing is called generated yet nothing is gained either
    return (gained * tally.hits[..., 1:] / np.maximum(called, 1)).sum(-1) / tally.n_fake


@counted(interval=Score("score interval, DeLong's variance", delong_variance))
def auroc(tally: Tally) -> Floats:
    """Area under the ROC curve: chance that a generated picture outranks a real one, ties counting half.

    The Mann–Whitney statistic over its maximum.
    """
    outranked = (tally.hits[..., 1:] + tally.hits[..., :-1]) / 2
    return (tally.real[..., ::-1] * outranked).sum(-1) / (tally.n_real * tally.n_fake)


@counted(interval=Score("score interval, bootstrap variance"))
def eer(tally: Tally) -> Floats:
    """Equal error rate: where the false-positive rate equals the false-negative rate. Lower is better.

    The ROC points of all distinct thresholds are joined by straight lines (equal logits broken at
    random), and the line FPR = 1 − TPR is cut with them: the usual definition. A detector that gives
    every picture the same logit has 0.5.
    """
    false_positive = tally.false_alarms / tally.n_real
    # in whole pictures, so that the sign at the crossing is exact
    difference = tally.false_alarms * tally.n_fake + (tally.hits - tally.n_fake) * tally.n_real
    after = np.argmax(difference >= 0, axis=-1)[..., None]
    low, high = (np.take_along_axis(difference, i, -1) for i in (after - 1, after))
    left, right = (np.take_along_axis(false_positive, i, -1) for i in (after - 1, after))
    return (left - low / (high - low) * (right - left))[..., 0]


def _hit_rate(tally: Tally, percent: int) -> Floats:
    # in whole pictures: 3 of 300 is 1 %, whatever 0.01 is in binary
    allowed = tally.false_alarms * 100 <= percent * tally.n_real
    strictest = allowed.sum(-1, keepdims=True) - 1
    return np.take_along_axis(tally.hits, strictest, -1)[..., 0] / tally.n_fake


@counted(real=100, interval=AtFalsePositiveRate(1))
def tpr_at_fpr_1(tally: Tally) -> Floats:
    """Largest true-positive rate of any threshold whose false-positive rate is at most 1 %.

    Conservative: an operating point that exists, with no interpolation between ROC points. Needs 100
    real pictures: with fewer, a single false alarm is more than 1 %.
    """
    return _hit_rate(tally, 1)


@counted(real=20, interval=AtFalsePositiveRate(5))
def tpr_at_fpr_5(tally: Tally) -> Floats:
    """As `tpr_at_fpr_1` at 5 %; needs 20 real pictures."""
    return _hit_rate(tally, 5)
