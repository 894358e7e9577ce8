"""Changes of tone: gamma, grey, sharpening."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.perturbations.parameter import no_parameter, number


def gamma(parameter: str) -> partial:
    """parameter: exponent of the levels in [0, 1], from 0.2 to 5; below 1 is brighter."""
    exponent = number("gamma", parameter, 0.2, 5, "0.8")
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(int).tolist()
    return partial(_mapped, table=table)


def _mapped(picture: Image.Image, rng: Generator, *, table: list[int]) -> Image.Image:
    return picture.point(table * 3)


def grey(parameter: str) -> partial:
    """Luma of ITU-R BT.601 in all three channels; takes no parameter."""
    no_parameter("grey", parameter)
    return partial(_grey)


def _grey(picture: Image.Image, rng: Generator) -> Image.Image:
    return picture.convert("L").convert("RGB")


def sharpen(parameter: str) -> partial:
    """parameter: amount, from 0 to 10: x + amount · (x − blurred x), blur of 1 pixel standard deviation (unsharp mask)."""
    return partial(_sharpened, amount=number("sharpen", parameter, 0, 10, "1"))


def _sharpened(picture: Image.Image, rng: Generator, *, amount: float) -> Image.Image:
    from scipy.ndimage import gaussian_filter

    levels = np.asarray(picture, np.float32)
    detail = levels - gaussian_filter(levels, (1, 1, 0), mode="reflect")
    return Image.fromarray(np.rint(levels + amount * detail).clip(0, 255).astype(np.uint8))
