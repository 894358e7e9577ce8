"""Which checkpoints lie in a training's folder, and the newest one that can be read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from registry import WeightsError
from registry.weights import read_checkpoint

logger = logging.getLogger(__name__)

BEST = "best.safetensors"


def newest(out: Path) -> dict[str, Any] | None:
    """The latest checkpoint that can be read; a damaged one is named and the one before it taken.

    Raises:
        WeightsError: there are checkpoints but none can be read.
    """
    problem: WeightsError | None = None
    for path in reversed(paths(out)):
        try:
            found: dict[str, Any] = read_checkpoint(path)
            return found
        except WeightsError as error:
            logger.warning("%s; going back to the checkpoint before it", error)
            problem = error
    if problem is not None:
        raise problem
    return None


def paths(out: Path) -> list[Path]:
    """The checkpoints in a training's folder, the latest last."""
    return sorted(out.glob("checkpoints/epoch-*.pth"))


def file_name(epoch: int) -> str:
    """The name of an epoch's checkpoint."""
    return f"epoch-{epoch:04d}.pth"
