"""Makes the picture smaller or larger; its new size stays, as after an upload that rescales."""

from __future__ import annotations

from functools import partial

from numpy.random import Generator
from PIL.Image import Image, Resampling

from benchmarks.perturbations.parameter import number


def resize(parameter: str) -> partial:
    """parameter: factor of both sides, from 0.05 to 4; bilinear with Pillow's low-pass filter."""
    return partial(_resize, factor=number("resize", parameter, 0.05, 4, "0.5"))


def _resize(picture: Image, rng: Generator, *, factor: float) -> Image:
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Resampling.BILINEAR)
