"""Changes of geometry: mirrored, stretched, framed."""

from __future__ import annotations

from functools import partial

from numpy.random import Generator
from PIL import Image, ImageOps

from benchmarks.perturbations.parameter import no_parameter, number


def flip(parameter: str) -> partial:
    """Left and right exchanged; takes no parameter."""
    no_parameter("flip", parameter)
    return partial(_flipped)


def _flipped(picture: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.mirror(picture)


def aspect(parameter: str) -> partial:
    """parameter: factor of the width, from 0.25 to 4, the height as it is; bilinear with Pillow's low-pass filter."""
    return partial(_stretched, factor=number("aspect", parameter, 0.25, 4, "1.25"))


def _stretched(picture: Image.Image, rng: Generator, *, factor: float) -> Image.Image:
    width = max(1, round(picture.width * factor))
    return picture.resize((width, picture.height), Image.Resampling.BILINEAR)


def pad(parameter: str) -> partial:
    """parameter: a black frame's thickness as a part of each side, from 0 to 1."""
    return partial(_framed, part=number("pad", parameter, 0, 1, "0.1"))


def _framed(picture: Image.Image, rng: Generator, *, part: float) -> Image.Image:
    across, down = round(picture.width * part), round(picture.height * part)
    return ImageOps.expand(picture, (across, down, across, down))
