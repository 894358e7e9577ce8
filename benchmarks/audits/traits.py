"""What is known of a picture from its header and a glance: size, format, JPEG quality, saturation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL.Image import Resampling

from benchmarks.audits.jpeg_quality import estimate_quality
from benchmarks.pictures import MAX_PIXELS, picture_file
from registry.dataset import PictureFile

GLANCE = 64
"""Side in pixels at which colours are looked at; a JPEG is decoded at no more than it takes."""


@dataclass(frozen=True)
class Traits:
    """One picture file. format: Pillow's name. quality: estimated JPEG quality, None for other formats.

    saturation: mean of max(R, G, B) − min(R, G, B) of the picture at 64×64 pixels, in 8-bit levels.
    """

    width: int
    height: int
    format: str
    quality: int | None
    saturation: float


def read_traits(path: PictureFile, max_pixels: int = MAX_PIXELS) -> Traits:
    """The traits of one file; raises `PictureError` where it cannot be decoded."""
    with picture_file(path, max_pixels) as image:
        width, height = image.size
        tables = getattr(image, "quantization", None) or None
        kind = image.format or "unknown"
        image.draft("RGB", (GLANCE, GLANCE))  # fewer coefficients of a JPEG; nothing for other formats
        small = image.convert("RGB").resize((GLANCE, GLANCE), Resampling.BOX)
        saturation = float(np.ptp(np.asarray(small, float), axis=2).mean())
        return Traits(width, height, kind, estimate_quality(tables) if tables else None, saturation)
