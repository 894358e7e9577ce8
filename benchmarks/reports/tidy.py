"""`leaderboard.csv`: one line per number, at full precision; published figures in a file of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from benchmarks.reports.board import BoardEntry
from benchmarks.reports.report import Report
from benchmarks.reports.reported import ReportedFigure

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
    "interval",
    "status",
    "reason",
    "rank",
    "tied",
    "warning",
]

COMPARISON = [
    "metric",
    "perturbation",
    "paradigm",
    "column",
    "test",
    "first_run",
    "first",
    "second_run",
    "second",
    "difference",
    "low",
    "high",
    "holds",
    "p",
    "p_holm",
]

STANDING = [
    "metric",
    "perturbation",
    "run",
    "detector",
    "untrained",
    "column",
    "left_out",
    "n_sets",
    "mean",
    "rank",
    "worst",
    "worst_on",
    "rank_by_worst",
    "next",
    "ahead_of_next",
]


def tidy(report: Report) -> str:
    """Every entry of every board.

    pictures: the test sets that the number covers, `name@fingerprint`, separated by spaces: lines with
    equal `pictures` can be compared. rank: among trained detectors with complete cells; tied: not itself
    the best of its rank, but not significantly different from it. interval: how it was made, or why there is none.
    """
    alarm = " ".join(report.warnings)
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
                "interval": _interval(entry),
                "status": entry.status,
                "reason": entry.reason,
                "rank": entry.rank,
                "tied": str(entry.tied).lower(),
                "warning": alarm,
            }
            for board in report.boards
            for row in board.rows
            for column in board.columns
            if (entry := board.entries.get((row, column)))
        ),
    )


def _interval(entry: BoardEntry) -> str:
    if entry.no_interval:
        return f"none: {entry.no_interval}"
    return entry.way if entry.measured else f"{entry.way}; coverage not measured"


def tidy_standings(report: Report) -> str:
    """Every detector over all test sets, and over all but `left_out`, of every board.

    column: as in `leaderboard.csv`, which says what pictures it covers. worst_on: the sets of the worst value, separated by semicolons. ahead_of_next: share of the resamples in which the
    order of the detector and the one with the `next` best mean holds.
    """
    return _text(
        STANDING,
        (
            {
                "metric": board.metric,
                "perturbation": board.perturbation,
                "run": overall.row.run,
                "detector": overall.row.detector,
                "untrained": str(overall.row.untrained).lower(),
                "column": found.column.label,
                "left_out": left_out,
                "n_sets": found.n_sets - bool(left_out),
                "mean": one.mean,
                "rank": one.rank,
                "worst": one.worst,
                "worst_on": "; ".join(one.worst_on),
                "rank_by_worst": one.rank_by_worst,
                "next": "" if left_out else overall.next_label,
                "ahead_of_next": "" if left_out else overall.ahead,
            }
            for board, of_board in zip(report.boards, report.standings, strict=True)
            for found in of_board
            for overall in found.rows
            for left_out, one in (("", overall.whole), *overall.without)
        ),
    )


def tidy_reported(report: Report) -> str:
    """The published figures of the runs' detectors."""
    return _text(list(ReportedFigure.__dataclass_fields__), map(asdict, report.reported))


def tidy_losses(report: Report) -> str:
    """Threshold or signal, for every test set and mean."""
    return _text(
        [
            "run",
            "detector",
            "untrained",
            "perturbation",
            "paradigm",
            "column",
            "acc",
            "threshold",
            "by_chance",
            "signal",
            "auroc",
        ],
        (
            {
                "run": loss.row.run,
                "detector": loss.row.detector,
                "untrained": str(loss.row.untrained).lower(),
                "perturbation": loss.perturbation,
                "paradigm": loss.column.group,
                "column": loss.column.label,
                "acc": loss.acc,
                "threshold": loss.threshold,
                "by_chance": loss.chance,
                "signal": loss.signal,
                "auroc": loss.auroc,
            }
            for loss in report.losses
        ),
    )


def tidy_comparisons(report: Report) -> str:
    """Every pair of detectors, as `compare` gives them; columns named as in the tables."""
    names = {
        column.pictures: (column.group, column.label)
        # a paradigm of one set has a mean over the same pictures: the set's own name wins
        for board in report.boards
        for column in sorted(board.columns, key=lambda column: not column.is_mean)
    }
    table = report.comparisons
    places = [names[pictures] for pictures in table["pictures"]]
    return str(
        table.assign(
            paradigm=[group for group, _ in places],
            column=[label for _, label in places],
            first_run=[run for run, _ in table["first"]],
            first=[detector for _, detector in table["first"]],
            second_run=[run for run, _ in table["second"]],
            second=[detector for _, detector in table["second"]],
        )[COMPARISON].to_csv(index=False, lineterminator="\n")
    )


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
