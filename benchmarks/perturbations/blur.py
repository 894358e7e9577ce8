"""Gaussian blur with an exact kernel, per colour channel, mirrored at the edges."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.perturbations.parameter import number


def blur(parameter: str) -> partial:
    """parameter: standard deviation in pixels, from 0 to 20."""
    return partial(_blur, sigma=number("blur", parameter, 0, 20, "1.5"))


def _blur(picture: Image.Image, rng: Generator, *, sigma: float) -> Image.Image:
    from scipy.ndimage import gaussian_filter

    levels = np.asarray(picture, np.float32)
    blurred = gaussian_filter(levels, (sigma, sigma, 0), mode="reflect")
    return Image.fromarray(np.rint(blurred).clip(0, 255).astype(np.uint8))
