"""Traces of an 8×8 block grid in the pixels: a JPEG past, whatever the file's format is now."""

from __future__ import annotations

import numpy as np

PERIOD = 8


def grid_strength(grey: np.ndarray) -> float:
    """How much stronger steps between pixels are on one 8-pixel grid than elsewhere, relative to the mean step.

    grey: (height, width) float levels. 0 without a grid, at about 0.1 for visible JPEG blocks; the grid
    may start anywhere, so that crops are seen too. After Fan and de Queiroz, "Identification of bitmap
    compression history" (IEEE Transactions on Image Processing 12(2), 2003): a step counts as far as it
    exceeds the mean of its two neighbours.
    """
    return max(0.0, float(np.mean([_along_columns(grey), _along_columns(grey.T)])))


def _along_columns(grey: np.ndarray) -> float:
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    if len(steps) < 2 + 2 * PERIOD or steps.mean() == 0:
        return 0.0
    excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    whole = len(excess) // PERIOD * PERIOD
    phases = excess[:whole].reshape(-1, PERIOD).mean(axis=0)
    return float((phases.max() - np.median(phases)) / steps.mean())
