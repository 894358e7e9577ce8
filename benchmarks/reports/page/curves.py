"""What the page draws of one cell: points of its ROC curve, and its scores in bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from benchmarks.metrics.calibration import BINS, bin_of
from benchmarks.metrics.tally import Tally
from benchmarks.reports.cellscores import CellScores

POINTS = 48
"""Operating points kept of a ROC curve: real ones, evenly spaced in pictures passed."""


def curves(scores: CellScores) -> dict[str, Any]:
    """ROC, precision-recall, histogram and calibration of one cell, in whole pictures.

    `fp`, `tp`: real and generated pictures at or above at most `POINTS` thresholds, from none to all;
    `real`, `fake`: pictures in 15 equal bins of the score; `mean`: the bin's mean score, None if empty.
    """
    tally = Tally.of(scores.labels, scores.logits)
    passed = tally.false_alarms + tally.hits
    wanted = np.linspace(0, passed[-1], POINTS)
    chosen = np.unique(np.searchsorted(passed, wanted))
    score = expit(scores.logits.astype(float))
    place = bin_of(score)
    counts = [np.bincount(place[scores.labels == kind], minlength=BINS) for kind in (0, 1)]
    total = np.bincount(place, weights=score, minlength=BINS)
    return {
        "fp": tally.false_alarms[chosen].astype(int).tolist(),
        "tp": tally.hits[chosen].astype(int).tolist(),
        "real": counts[0].tolist(),
        "fake": counts[1].tolist(),
        "mean": [round(t / n, 4) if n else None for t, n in zip(total, counts[0] + counts[1], strict=True)],
    }
