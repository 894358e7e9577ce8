"""AVIF compression with Pillow's codec."""

from __future__ import annotations

from functools import partial

from PIL import features

from benchmarks.perturbations.codec import reencode
from benchmarks.perturbations.parameter import whole_number
from registry.errors import UserError


def avif(parameter: str) -> partial:
    """parameter: quality, a whole number from 1 (smallest file) to 100; 4:2:0, Pillow's default speed."""
    quality = whole_number("avif", parameter, 1, 100, "60")
    if not features.check("avif"):
        raise UserError("avif needs a Pillow built with AVIF support (11.3 or later)")
    return partial(reencode, codec="AVIF", quality=quality)
