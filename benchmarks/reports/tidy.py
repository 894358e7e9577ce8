"""`leaderboard.csv`: one line per number, at full precision; published figures in a file of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from benchmarks.reports.board import boards, warnings
from benchmarks.reports.load import Run
from benchmarks.reports.reported import ReportedFigure, reported

COLUMNS = [
    "run",
    "detector",
    "untrained",
    "metric",
    "perturbation",
    "paradigm",
    "column",
    "is_mean",
    "pictures",
    "value",
    "low",
    "high",
    "status",
    "reason",
    "rank",
    "warning",
]


def tidy(runs: Sequence[Run], metrics: Sequence[str]) -> str:
    """Every entry of every board.

    pictures: the test sets that the number covers, `name@fingerprint`, separated by spaces: lines with
    equal `pictures` can be compared. rank: among trained detectors with complete cells.
    """
    alarm = " ".join(warnings(runs))
    return _text(
        COLUMNS,
        (
            {
                "run": row.run,
                "detector": row.detector,
                "untrained": str(row.untrained).lower(),
                "metric": board.metric,
                "perturbation": board.perturbation,
                "paradigm": column.group,
                "column": column.label,
                "is_mean": str(column.is_mean).lower(),
                "pictures": " ".join(sorted(f"{name}@{mark}" for name, mark in column.pictures)),
                "value": entry.value,
                "low": entry.low,
                "high": entry.high,
                "status": entry.status,
                "reason": entry.reason,
                "rank": entry.rank,
                "warning": alarm,
            }
            for board in boards(runs, metrics)
            for row in board.rows
            for column in board.columns
            if (entry := board.entries.get((row, column)))
        ),
    )


def tidy_reported(runs: Sequence[Run]) -> str:
    """The published figures of the runs' detectors."""
    return _text(list(ReportedFigure.__dataclass_fields__), map(asdict, reported(runs)))


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
