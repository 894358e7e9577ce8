"""Random crop, resized back to the picture's own size (Figure 4 of the D³QE paper: ratios 0.9 to 0.5).

The released code of the paper resizes with nearest neighbour and exchanges height and width. Here the
sides stay what they are, and the resize is bilinear, as torchvision's `RandomResizedCrop` does by default.
"""

from __future__ import annotations

from functools import partial

from numpy.random import Generator
from PIL.Image import Image, Resampling

from benchmarks.perturbations.parameter import number


def crop(parameter: str) -> partial:
    """parameter: the part of each side that is kept, from 0.05 to 1. Where it lies is drawn per picture."""
    return partial(_crop, ratio=number("crop", parameter, 0.05, 1, "0.8"))


def _crop(picture: Image, rng: Generator, *, ratio: float) -> Image:
    width, height = (max(1, round(side * ratio)) for side in picture.size)
    left = int(rng.integers(0, picture.width - width + 1))
    top = int(rng.integers(0, picture.height - height + 1))
    # not resize(box=…), which also reads pixels just outside of the box
    part = picture.crop((left, top, left + width, top + height))
    return part.resize(picture.size, Resampling.BILINEAR)
