"""White Gaussian noise, independent per pixel and colour channel."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.perturbations.parameter import number


def noise(parameter: str) -> partial:
    """parameter: standard deviation in 8-bit levels, from 0 to 128."""
    return partial(_noise, sigma=number("noise", parameter, 0, 128, "5"))


def _noise(picture: Image.Image, rng: Generator, *, sigma: float) -> Image.Image:
    levels = np.asarray(picture, np.float32)
    noisy = levels + sigma * rng.standard_normal(levels.shape, np.float32)
    return Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8))
