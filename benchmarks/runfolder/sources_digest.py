"""What metrics.json was computed from, so that it is known whether it still is that: by content, whatever a clock says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from benchmarks.runfolder.record import dumped, read_record

_FACTS = ("seed", "detectors", "datasets", "perturbations", "plugins")
"""What metrics depend on in run.json; the rest changes with every command that has nothing to score."""
_FILES = ("scores/*/*/*/*.parquet", "pictures/*/*.parquet")


def sources_digest(run: Path) -> str:
    """Hex SHA-256 of a run's score files, its pictures' digests and what run.json says was asked.

    Files are read as a whole: one that grows keeps its name, and may keep its size.

    Raises:
        UserError: the folder has no readable run.json.
    """
    run = Path(run)
    record = dumped(read_record(run))
    digest = hashlib.sha256(json.dumps([record.get(name) for name in _FACTS]).encode())
    for file in sorted(file for pattern in _FILES for file in run.glob(pattern)):
        digest.update(f"\n{file.relative_to(run).as_posix()}\0".encode())
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
