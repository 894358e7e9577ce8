"""What the page draws of one cell: points of its ROC curve, and its scores in bins."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from benchmarks.metrics.calibration import BINS, bin_of
from benchmarks.metrics.tally import Tally
from benchmarks.reports.cellscores import CellScores

POINTS = 48
"""Operating points kept of a ROC curve: real ones, evenly spaced in pictures passed. A chart is some 300 pixels wide."""

MEAN_DIGITS = 4


def packed(scores: CellScores) -> list[list[int]]:
    """ROC, precision-recall, histogram and calibration of one cell, as five lists of whole numbers.

    Real and generated pictures that pass from one of at most `POINTS` thresholds to the next, the first above all
    logits; real and generated pictures in 15 equal bins of the score; the bin's mean score in units of 10^-4, -1 if empty.
    """
    tally = Tally.of(scores.labels, scores.logits)
    passed = tally.false_alarms + tally.hits
    chosen = np.unique(np.searchsorted(passed, np.linspace(0, passed[-1], POINTS)))
    score = expit(scores.logits.astype(float))
    place = bin_of(score)
    real, fake = (np.bincount(place[scores.labels == kind], minlength=BINS) for kind in (0, 1))
    total = np.bincount(place, weights=score, minlength=BINS)
    mean = np.where(real + fake, total / np.maximum(real + fake, 1) * 10**MEAN_DIGITS, -1)
    steps = (np.diff(counts[chosen], prepend=0) for counts in (tally.false_alarms, tally.hits))
    return [part.round().astype(int).tolist() for part in (*steps, real, fake, mean)]
