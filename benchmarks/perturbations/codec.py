"""Encodes a picture in memory and decodes it again."""

from __future__ import annotations

from io import BytesIO

from numpy.random import Generator
from PIL import Image


def reencode(picture: Image.Image, rng: Generator | None = None, *, codec: str, quality: int) -> Image.Image:
    """The RGB picture after one pass through Pillow's encoder of format `codec` at `quality`, other settings default."""
    buffer = BytesIO()
    picture.save(buffer, codec, quality=quality)
    with Image.open(buffer, formats=[codec]) as encoded:
        return encoded.convert("RGB")
