"""Makes a large picture small enough, as platforms do on upload; a small one stays as it is."""

from __future__ import annotations

from functools import partial

from numpy.random import Generator
from PIL.Image import Image, Resampling

from benchmarks.perturbations.parameter import whole_number


def fit(parameter: str) -> partial:
    """parameter: the most pixels that the long side may have, from 16 to 8192; bilinear with Pillow's low-pass filter."""
    return partial(_fitted, side=whole_number("fit", parameter, 16, 8192, "1600"))


def _fitted(picture: Image, rng: Generator, *, side: int) -> Image:
    longest = max(picture.size)
    if longest <= side:
        return picture
    width, height = (max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize((width, height), Resampling.BILINEAR)
