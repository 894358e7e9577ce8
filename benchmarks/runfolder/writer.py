"""Collects rows and writes them to the run folder often enough that a kill loses little."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from pathlib import Path

from benchmarks.runfolder.scores import Cell, write_shard

ROWS_PER_SHARD = 5000
ROWS_WAITING = 20_000
"""Rows of all cells that wait at most, however fast they come."""
_WAITING_OF_A_CELL = 1000
"""But so many of each cell may: a growing shard is written anew at every flush."""


class ShardWriter:
    """Rows by cell. Each cell has one growing shard per process, rewritten atomically at every flush,
    so that frequent flushes do not leave thousands of files.

    name: of the files, where who writes the same rows again has to replace them; every cell then has one. Unique by default.
    """

    def __init__(self, run: Path, flush_seconds: float, name: str = "") -> None:
        self.run = run
        self.flush_seconds = flush_seconds
        self.name = name
        self._rows: dict[Cell, list[dict[str, object]]] = defaultdict(list)
        self._names: dict[Cell, str] = {}
        self._unwritten: set[Cell] = set()
        self._waiting = 0
        self._flushed = time.monotonic()

    def add(self, cell: Cell, row: dict[str, object]) -> None:
        """Keep one row of a cell; columns that the cell itself gives may be left out."""
        self._rows[cell].append(row)
        self._unwritten.add(cell)
        self._waiting += 1

    def flush_if_due(self) -> None:
        """Flush if the last one is `flush_seconds` ago, or many rows have come since."""
        many = max(ROWS_WAITING, _WAITING_OF_A_CELL * len(self._unwritten))
        # what has one file for good is kept whole until its end
        if (self._waiting >= many and not self.name) or self._overdue():
            self.flush()

    def _overdue(self) -> bool:
        return time.monotonic() - self._flushed >= self.flush_seconds

    def flush(self) -> None:
        """Write every cell that has new rows."""
        for cell in sorted(self._unwritten):
            name = self._names.setdefault(cell, f"part-{self.name or uuid.uuid4().hex}")
            write_shard(self.run, cell, self._rows[cell], name)
            self._unwritten.discard(cell)
            if len(self._rows[cell]) >= ROWS_PER_SHARD and not self.name:
                del self._rows[cell], self._names[cell]
        self._waiting = 0
        self._flushed = time.monotonic()

    def end_test_set(self) -> None:
        """Flush, and let go of the rows."""
        self.flush()
        self._rows.clear()
        self._names.clear()
