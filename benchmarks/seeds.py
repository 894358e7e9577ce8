"""Where the trainings of one detector by several random seeds lie: each in its own folder of the whole.

OUT/seed-0/best.safetensors
OUT/seed-1/best.safetensors
"""

from __future__ import annotations

import re
from pathlib import Path

BEST = "best.safetensors"
"""Weights of a training's best epoch, in its folder."""

UNFINISHED = "unfinished"
"""A file that lies in the folder of a training that runs or was cut off: its best epoch so far is not what it will give."""

_FOLDER = re.compile(r"seed-(\d+)")


def seed_folder(seed: int) -> str:
    """The name of a training's folder among those of other seeds."""
    return f"seed-{seed}"


def of_seed(detector: str, seed: int) -> str:
    """What one training is called among the detectors of a run."""
    return f"{detector} seed {seed}"


def trained_seeds(folder: Path) -> dict[int, Path]:
    """Weights of the trainings in a folder by their seeds, ascending; trainings without weights yet are not there."""
    found = {
        int(match[1]): path / BEST
        for path in folder.glob("seed-*")
        if (match := _FOLDER.fullmatch(path.name)) and (path / BEST).is_file()
    }
    return dict(sorted(found.items()))
