"""Things laid over a picture: a line of text, a sticker."""

from __future__ import annotations

from functools import partial

from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from benchmarks.perturbations.parameter import number

_WORDS = "d3qe-bench"


def text(parameter: str) -> partial:
    """parameter: height of a line of white text with a black outline as a part of the picture's, from 0.02 to 0.5.

    Pillow's own font; where it lies is drawn per picture.
    """
    return partial(_written, part=number("text", parameter, 0.02, 0.5, "0.1"))


def _written(picture: Image.Image, rng: Generator, *, part: float) -> Image.Image:
    size = max(4, round(picture.height * part))
    font = ImageFont.load_default(size)
    result = picture.copy()
    draw = ImageDraw.Draw(result)
    left, top, right, bottom = draw.textbbox((0, 0), _WORDS, font=font)
    across = int(rng.integers(0, max(1, picture.width - int(right - left))))
    down = int(rng.integers(0, max(1, picture.height - int(bottom - top))))
    outline = max(1, size // 12)
    draw.text(
        (across - left, down - top),
        _WORDS,
        font=font,
        fill="white",
        stroke_width=outline,
        stroke_fill="black",
    )
    return result


def sticker(parameter: str) -> partial:
    """parameter: diameter of a one-coloured disc as a part of the short side, from 0.05 to 0.9.

    Colour and place are drawn per picture.
    """
    return partial(_stuck, part=number("sticker", parameter, 0.05, 0.9, "0.2"))


def _stuck(picture: Image.Image, rng: Generator, *, part: float) -> Image.Image:
    side = max(1, round(min(picture.size) * part))
    left = int(rng.integers(0, picture.width - side + 1))
    top = int(rng.integers(0, picture.height - side + 1))
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    result = picture.copy()
    ImageDraw.Draw(result).ellipse((left, top, left + side - 1, top + side - 1), fill=(red, green, blue))
    return result
