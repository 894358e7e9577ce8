"""Colour at lower resolution than brightness, as in video and most photographs, without other losses."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from registry.errors import UserError, nearest

_FACTORS = {"422": (2, 1), "420": (2, 2), "411": (4, 1), "410": (4, 2)}
"""Pixels across and down that share one colour difference."""


def chroma(parameter: str) -> partial:
    """parameter: 422, 420, 411 or 410: the means of Cb and Cr over 2×1, 2×2, 4×1 or 4×2 pixels, repeated."""
    if parameter not in _FACTORS:
        raise UserError(
            f"chroma takes one of {', '.join(_FACTORS)}, got {parameter!r}{nearest(parameter, _FACTORS)}"
        )
    across, down = _FACTORS[parameter]
    return partial(_subsampled, across=across, down=down)


def _subsampled(picture: Image.Image, rng: Generator, *, across: int, down: int) -> Image.Image:
    luma, *differences = picture.convert("YCbCr").split()
    lowered = [Image.fromarray(_block_means(np.asarray(one), across, down)) for one in differences]
    return Image.merge("YCbCr", (luma, *lowered)).convert("RGB")


def _block_means(levels: np.ndarray, across: int, down: int) -> np.ndarray:
    height, width = levels.shape
    padded = np.pad(levels.astype(float), ((0, -height % down), (0, -width % across)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across).mean((1, 3))
    return np.rint(blocks).astype(np.uint8).repeat(down, 0).repeat(across, 1)[:height, :width]
