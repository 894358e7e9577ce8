"""Checks that the data set's files are those that ship: one SHA-256 per class folder.

The manifest states two hashes each: `files`, of the files' bytes in the order of their names, and `pixels`, of the
decoded pictures (N, 64, 64, 3), which no other encoding of the same pictures changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from registry.errors import UserError

MANIFEST = Path(__file__).with_name("manifest.json")


def read_manifest() -> dict[str, Any]:
    """Part name (`test/gan`) → class folder (`0_real`) → `{"files": …, "pixels": …}`."""
    parts: dict[str, Any] = json.loads(MANIFEST.read_text())["parts"]
    return parts


def check_files(files: Iterable[Path], digest: str) -> None:
    """Raise `UserError` if a file is missing or the bytes of all in turn have another SHA-256."""
    total = hashlib.sha256()
    for path in files:
        try:
            total.update(path.read_bytes())
        except OSError as error:
            raise UserError(
                f"the mini benchmark is incomplete ({error}): install d3qe-bench again"
            ) from error
    if total.hexdigest() != digest:
        raise UserError(f"pictures in {path.parent} are not those that ship: install d3qe-bench again")
