"""Figures that somebody published: beside the measured ones where a run names its test sets, else in a table of their own.

A published and a measured number never share a column, and nothing here is ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.reports.board import Board, BoardEntry, BoardRow, Column, boards
from benchmarks.reports.load import Run, directions
from benchmarks.reports.notes import UNTRAINED, mark


@dataclass(frozen=True)
class ReportedFigure:
    """One published figure of a detector, as its card in run.json has it. value in [0, 1]."""

    detector: str
    on: str
    metric: str
    value: float
    source: str


@dataclass(frozen=True)
class Comparison:
    """A measured number beside the published one of the same detector, test set, condition and metric.

    measured: the entry of the leaderboard, None where nothing of that name was measured. reported: in [0, 1].
    differs: how what was measured differs from what was published.
    """

    row: BoardRow
    on: str
    metric: str
    perturbation: str
    measured: BoardEntry | None
    reported: float
    source: str
    differs: str

    @property
    def mark(self) -> str:
        """The leaderboard's mark of the measured number; `not measured` where there is none."""
        if self.measured is None:
            return "not measured"
        return mark(self.measured) or (UNTRAINED if self.row.untrained else "")

    @property
    def difference(self) -> float | None:
        """Measured minus reported; None unless every picture was scored by a trained detector."""
        entry = self.measured
        if entry is None or entry.value is None or entry.partial or entry.failed or self.row.untrained:
            return None
        return entry.value - self.reported

    @property
    def holds(self) -> bool | None:
        """Whether the measured interval holds the reported figure; None without an interval or a difference."""
        entry = self.measured
        if self.difference is None or entry is None or entry.low is None or entry.high is None:
            return None
        return entry.low <= self.reported <= entry.high


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """Every published figure that the runs' configurations name, beside what they measured."""
    wanted = list(dict.fromkeys(figure.metric for run in runs for figure in run.record.reported))
    known = directions(runs)
    found: dict[tuple[str, str], Board] = {
        (board.metric, board.perturbation): board for board in boards(runs, [m for m in wanted if m in known])
    }
    rows = {row.key: row for board in found.values() for row in board.rows}
    return [
        Comparison(
            row,
            figure.on,
            figure.metric,
            figure.perturbation,
            _entry(found.get((figure.metric, figure.perturbation)), row, figure.on),
            figure.value,
            figure.source,
            figure.differs,
        )
        for run in runs
        for figure in run.record.reported
        if (row := rows.get((run.label, figure.detector)))
    ]


def verdict(comparison: Comparison) -> str:
    """Whether the interval holds the published figure, in a word; empty where it cannot be said."""
    return {True: "yes", False: "no", None: ""}[comparison.holds]


def sources(compared: Sequence[Comparison]) -> list[str]:
    """Where the published figures are from, and how what was measured differs, each once."""
    return list(dict.fromkeys(f"{c.source}; {c.differs}" if c.differs else c.source for c in compared))


def _entry(board: Board | None, row: BoardRow, on: str) -> BoardEntry | None:
    columns = [column for column in board.columns if on in _names(column)] if board else []
    return next((entry for column in columns if board and (entry := board.entries.get((row, column)))), None)


def _names(column: Column) -> Iterator[str]:
    """What a column can be called: a test set by its own name, a mean as the tables write it."""
    yield f"{column.group} {column.label}"
    if not column.is_mean:
        yield from (name for name, _ in column.pictures)


def reported(runs: Sequence[Run]) -> list[ReportedFigure]:
    """The published figures on the runs' detectors' cards, each once, without those that stand beside measured ones."""
    beside = {
        (figure.detector, figure.metric, figure.value) for run in runs for figure in run.record.reported
    }
    figures = [
        ReportedFigure(name, figure.on, figure.metric, figure.value, figure.source)
        for run in runs
        for name in run.table_detectors
        for figure in run.facts(name).card.reported
        if (name, figure.metric, figure.value) not in beside
    ]
    return list(dict.fromkeys(figures))
