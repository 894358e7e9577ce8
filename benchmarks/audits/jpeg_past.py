"""Traces of a JPEG past in the pixels: DCT coefficients that lie on the lattice of a quantisation table."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn

from benchmarks.audits.block_grid import PERIOD

_STEPS = (1, 2, 3, 5, 7, 11, 13)
"""Multiples of a quantisation step are multiples of its divisors, so one and the primes stand for all steps."""
_SIDE = 17 * PERIOD
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def lattice_strength(rgb: np.ndarray) -> float:
    """How much better DCT coefficients fit whole multiples of some step on one block grid than on the others.

    rgb: (height, width, 3) 8-bit levels; the middle 136×136 pixels are looked at. The fit of a frequency
    to a step q is the mean of cos(2πc/q) over its blockwise coefficients c, as in the periodicity of
    coefficient histograms by which Fan and de Queiroz, "Identification of bitmap compression history" (IEEE
    Transactions on Image Processing 12(2), 2003), estimate the steps. Of the 64 places of the grid all but
    one have no such past and serve as the background: the same content without it.

    Returns:
        The largest excess over the 64 places' median, in their robust standard deviations; 1.6 to 4.4
        on the photographs without a JPEG past of docs/audit.md, 0 for pictures of less than 24 pixels.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < 3 * PERIOD:
        return 0.0
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    # not Pillow's grey, whose rounding would blur steps of one
    luma = rgb[top : top + _SIDE, left : left + _SIDE].astype(np.float32) @ _LUMA
    blocks = np.lib.stride_tricks.sliding_window_view(luma, (PERIOD, PERIOD))
    rows, columns = (count // PERIOD for count in blocks.shape[:2])
    coefficients = dctn(blocks[: rows * PERIOD, : columns * PERIOD], axes=(2, 3), norm="ortho")
    placed = coefficients.reshape(rows, PERIOD, columns, PERIOD, PERIOD**2)[..., 1:]
    fits = np.stack([np.cos(placed * (2 * np.pi / step)).mean(axis=(0, 2)) for step in _STEPS])
    fits = fits.reshape(len(_STEPS), PERIOD**2, -1)
    excess = (fits - np.median(fits, axis=1, keepdims=True)).max(axis=0).mean(axis=1)
    excess -= np.median(excess)
    spread = 1.4826 * np.median(np.abs(excess))
    return float(excess.max() / spread) if spread > 0 else 0.0
