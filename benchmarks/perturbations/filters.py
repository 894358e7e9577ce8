"""Filters that lose detail: median and mosaic."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.perturbations.parameter import whole_number
from registry.errors import UserError


def median(parameter: str) -> partial:
    """parameter: side of the square neighbourhood in pixels, odd, from 3 to 15; mirrored at the edges."""
    side = whole_number("median", parameter, 3, 15, "3")
    if side % 2 == 0:
        raise UserError(f"median takes an odd number of pixels from 3 to 15, got {side}")
    return partial(_median, side=side)


def _median(picture: Image.Image, rng: Generator, *, side: int) -> Image.Image:
    from scipy.ndimage import median_filter

    return Image.fromarray(median_filter(np.asarray(picture), (side, side, 1), mode="reflect"))


def pixelate(parameter: str) -> partial:
    """parameter: side of a block in pixels, from 2 to 64; every block becomes its mean, cut ones at the edges too."""
    return partial(_pixelated, side=whole_number("pixelate", parameter, 2, 64, "4"))


def _pixelated(picture: Image.Image, rng: Generator, *, side: int) -> Image.Image:
    levels = np.asarray(picture, np.float64)
    rows, columns = (np.arange(0, length, side) for length in levels.shape[:2])
    heights, widths = (
        np.diff(np.append(s, length)) for s, length in zip((rows, columns), levels.shape, strict=False)
    )
    sums = np.add.reduceat(np.add.reduceat(levels, rows, 0), columns, 1)
    means = sums / (heights[:, None, None] * widths[None, :, None])
    blocks = np.rint(means).astype(np.uint8).repeat(heights, 0).repeat(widths, 1)
    return Image.fromarray(blocks)
