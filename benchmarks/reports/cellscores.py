"""Score files of a report's cells, each read once however many parts of the report need it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runfolder.scores import Cell, read_rows


@dataclass(frozen=True, eq=False)
class CellScores:
    """Scored pictures of one cell, by path. labels (N,) 0 or 1; logits (N,) float32, finite.

    digest: of the paths, so that equal digests mean the same pictures in the same order.
    """

    labels: NDArray[np.int8]
    logits: NDArray[np.float32]
    digest: bytes


class ScoreReader:
    """Reads cells and keeps them, 5 bytes a picture."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, Cell], CellScores] = {}

    def __call__(self, folder: Path, cell: Cell) -> CellScores:
        if (folder, cell) not in self._read:
            self._read[folder, cell] = _read(folder, cell)
        return self._read[folder, cell]


def _read(folder: Path, cell: Cell) -> CellScores:
    rows = read_rows(folder, cell)
    scored = rows.scored
    digest = hashlib.sha256("\0".join(rows.paths[scored]).encode()).digest()
    return CellScores(rows.labels[scored], rows.logits[scored], digest)
