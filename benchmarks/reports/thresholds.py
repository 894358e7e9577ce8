"""Threshold or signal: why a detector is not right about every picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.metrics.accuracy import best_threshold_by_chance
from benchmarks.reports.board import Board, BoardRow, Column, boards
from benchmarks.reports.load import Run

NEEDED = ("acc", "acc_best_threshold", "auroc")


@dataclass(frozen=True)
class Loss:
    """The errors of one detector on one column, split in two; shares of all pictures.

    acc + threshold + signal = 1. threshold: what the best threshold on these very pictures would win
    back (it sees the labels, so this is an upper bound); chance: what pure noise would lose to it on average at that many
    pictures; signal: what no threshold wins back. auroc: how well the logits rank, whatever the threshold.
    """

    row: BoardRow
    column: Column
    perturbation: str
    acc: float
    threshold: float
    chance: float
    signal: float
    auroc: float


def losses(runs: Sequence[Run]) -> list[Loss]:
    """One for every cell and mean that has all three metrics, partial and untrained ones too."""
    if any(name not in run.metrics["metrics"] for run in runs for name in NEEDED):
        return []
    found = boards(runs, NEEDED)
    counts = {
        (run.label, cell["detector"], cell["perturbation"], cell["dataset"]): (cell["n_real"], cell["n_fake"])
        for run in runs
        for cell in run.table_cells()
    }
    count = len(found) // len(NEEDED)
    return [
        loss
        for acc, best, auroc in zip(found[:count], found[count:-count], found[-count:], strict=True)
        for loss in _losses(acc, best, auroc, counts)
    ]


def _losses(
    acc: Board, best: Board, auroc: Board, counts: Mapping[tuple[str, str, str, str], tuple[int, int]]
) -> Iterator[Loss]:
    for row in acc.rows:
        for column in acc.columns:
            entries = [board.entries.get((row, column)) for board in (acc, best, auroc)]
            now, possible, area = (entry.value if entry else None for entry in entries)
            if now is not None and possible is not None and area is not None:
                # a mean over sets weighs them alike
                names = [name for name, _ in column.pictures]
                pictures = [counts[*row.key, acc.perturbation, name] for name in names]
                chance = float(np.mean([best_threshold_by_chance(*both) for both in pictures]))
                yield Loss(row, column, acc.perturbation, now, possible - now, chance, 1 - possible, area)
