"""Lossy WebP compression with Pillow's codec."""

from __future__ import annotations

from functools import partial

from PIL import features

from benchmarks.perturbations.codec import reencode
from benchmarks.perturbations.parameter import whole_number
from registry.errors import UserError


def webp(parameter: str) -> partial:
    """parameter: quality, a whole number from 1 (smallest file) to 100."""
    quality = whole_number("webp", parameter, 1, 100, "75")
    if not features.check("webp"):
        raise UserError("webp needs a Pillow built with WebP support")
    return partial(reencode, codec="WEBP", quality=quality)
