"""Entries of the feature cache on disk: whole and undamaged, or not there."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from pathlib import Path

from registry import UserError
from registry.weights import sha256

logger = logging.getLogger(__name__)


def is_whole(entry: Path) -> bool:
    """Whether an entry is there with the bytes that were written; a damaged one is named and removed."""
    if not entry.exists():
        return False
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        damaged = [name for name, digest in meta["sha256"].items() if sha256(entry / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        damaged = [f"meta.json ({error})"]
    if damaged:
        logger.warning("damaged feature cache %s (%s): computed again", entry, ", ".join(damaged))
        shutil.rmtree(entry)
    return not damaged


def move_into_place(draft: Path, entry: Path) -> None:
    """Move a finished entry into place; another process may have been faster with the same values."""
    with contextlib.suppress(OSError):
        os.rename(draft, entry)
    if not entry.exists():
        raise UserError(f"cannot write the feature cache {entry}")
