"""Traces of resampling in the pixels."""

from __future__ import annotations

import numpy as np

_LOWEST = 0.05
"""Cycles per pixel; slower changes are the picture's own."""


def resampling_strength(grey: np.ndarray) -> float:
    """Strongest period in how much neighbouring pixels deviate from linear interpolation, along both axes.

    grey: (height, width) float levels. Interpolated pixels are more like the mean of their neighbours than
    original ones, with the period of the factor: Gallagher, "Detection of linear and cubic interpolation
    in JPEG compressed images" (Computer and Robot Vision 2005). The 8-pixel blocks of a JPEG past are
    a period as well.

    Returns:
        The largest magnitude of the spectrum over its median; 0 for pictures of less than 16 pixels.
    """
    return max(_along_columns(grey), _along_columns(grey.T))


def _along_columns(grey: np.ndarray) -> float:
    if min(grey.shape) < 16:
        return 0.0
    deviation = np.log1p(np.abs(np.diff(grey, 2, axis=1))).mean(axis=0)
    spectrum = np.abs(np.fft.rfft((deviation - deviation.mean()) * np.hanning(len(deviation))))
    spectrum = spectrum[int(np.ceil(_LOWEST * len(deviation))) :]
    middle = float(np.median(spectrum))
    return float(spectrum.max()) / middle if middle > 1e-9 else 0.0
