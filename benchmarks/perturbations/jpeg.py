"""JPEG compression with Pillow's codec: 4:2:0 chroma subsampling, the standard quantisation tables."""

from __future__ import annotations

from functools import partial

from benchmarks.perturbations.codec import reencode
from benchmarks.perturbations.parameter import whole_number


def jpeg(parameter: str) -> partial:
    """parameter: quality, a whole number from 1 (smallest file) to 100."""
    return partial(reencode, codec="JPEG", quality=whole_number("jpeg", parameter, 1, 100, "75"))
