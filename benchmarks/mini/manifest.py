"""What the data set's pictures are known to be: a hash per part, and statistics where hashes cannot agree.

Pictures are hashed as pixels. Three generators sample in double precision and come out the same
to the bit on every machine that was tried; the diffusion model samples in single precision, where
another processor may round a few pixels to the neighbouring level. Such a part is accepted
if its statistics are the manifest's within `TOLERANCE`, and says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import write_json
from registry.errors import UserError

MANIFEST = Path(__file__).with_name("manifest.json")
TOLERANCE = 0.5
"""In 8-bit levels: how far a statistic of a part may be from the manifest's."""

_FILES = "files.sha256"


def describe(pictures: np.ndarray) -> dict[str, Any]:
    """Hash and statistics of pictures uint8 (N, 64, 64, 3).

    mean and std are per channel over all pixels; detail is the mean absolute difference of
    horizontal neighbours; all in 8-bit levels.
    """
    values = pictures.astype(np.float64)
    return {
        "sha256": hashlib.sha256(np.ascontiguousarray(pictures).tobytes()).hexdigest(),
        "mean": np.round(values.mean((0, 1, 2)), 3).tolist(),
        "std": np.round(values.std((0, 1, 2)), 3).tolist(),
        "detail": round(float(np.abs(np.diff(values, axis=2)).mean()), 3),
    }


def read_manifest() -> dict[str, Any]:
    """Part name → class folder → `describe`."""
    parts: dict[str, Any] = json.loads(MANIFEST.read_text())["parts"]
    return parts


def write_manifest(parts: dict[str, Any]) -> None:
    """Make these the known pictures."""
    write_json(MANIFEST, {"schema": 1, "parts": parts})


def agrees(made: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether pictures are the known ones to the bit; False if only their statistics agree.

    Raises:
        UserError: the statistics differ too.
    """
    if made["sha256"] == known["sha256"]:
        return True
    for name in ("mean", "std", "detail"):
        gap = float(np.abs(np.subtract(made[name], known[name])).max())
        if gap > TOLERANCE:
            raise UserError(
                f"the pictures made here are not those of the manifest: {name} {made[name]} instead of "
                f"{known[name]}; install the pinned versions of torch, Pillow and NumPy, or report the machine"
            )
    return False


def seal(part: Path, names: Sequence[str]) -> None:
    """Record the bytes of all files of a part that was just made."""
    (part / _FILES).write_text(_digest(part, names) + "\n")


def check_files(part: Path, names: Sequence[str]) -> None:
    """Raise `UserError` if a file of the part is missing or not as it was sealed."""
    try:
        intact = (part / _FILES).read_text().strip() == _digest(part, names)
    except OSError as error:
        raise UserError(f"{part} is incomplete ({error}); remove it, it will be made again") from error
    if not intact:
        raise UserError(
            f"pictures in {part} were changed since they were made; remove it, it will be made again"
        )


def _digest(part: Path, names: Sequence[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        total.update((part / name).read_bytes())
    return total.hexdigest()
