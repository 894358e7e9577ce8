"""Which quality setting a JPEG was saved with, from its quantisation tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

Tables = Mapping[int, Sequence[int]]


def estimate_quality(tables: Tables) -> int:
    """The quality, 1 to 100, whose libjpeg luminance table is nearest to table 0 (sum of absolute differences).

    Encoders with tables of their own (cameras, Photoshop, mozjpeg) get the nearest libjpeg setting.
    """
    own = np.sort(np.asarray(tables[0]))
    distances = np.abs(_reference() - own).sum(axis=1)
    return int(distances.argmin()) + 1


@lru_cache
def _reference() -> np.ndarray:
    """Luminance tables that this machine's libjpeg writes at quality 1 to 100, (100, 64), each sorted.

    Sorted, because readers differ in whether they give a table in zigzag order.
    """
    rows = []
    for quality in range(1, 101):
        buffer = BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer, formats=["JPEG"]) as image:
            rows.append(np.sort(image.quantization[0]))  # type: ignore[attr-defined]
    return np.stack(rows)
