"""`leaderboard.md`: one table per metric and perturbation, with intervals and footnotes."""

from __future__ import annotations

from benchmarks.reports import operating
from benchmarks.reports.board import DIGITS, BoardEntry
from benchmarks.reports.cost import short
from benchmarks.reports.differences import differences
from benchmarks.reports.notes import (
    UNTESTED,
    UNTRAINED,
    interval_mark,
    interval_notes,
    legend,
    mark,
    notes,
    training_sets,
    what_was_tested,
)
from benchmarks.reports.report import Report
from benchmarks.reports.reported import verdict
from benchmarks.reports.statistics.mean_ranks import rank_board
from benchmarks.reports.statistics.standings import HEADINGS
from benchmarks.reports.templates import environment
from benchmarks.text import in_markdown

BLOCK = 9
"""Columns of one table."""


def number(entry: BoardEntry | None) -> str:
    """One table cell: value, interval and mark; with the spread over seeds; best in bold, second underlined."""
    if entry is None or entry.value is None:
        return mark(entry)
    text = f"{entry.value:.{DIGITS}f}{mark(entry)}"
    text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(entry.place, text)
    if entry.spread:
        text += f" ± {entry.spread['standard_deviation']:.{DIGITS}f} ({entry.spread['lowest']:.{DIGITS}f} to {entry.spread['highest']:.{DIGITS}f})"
    if entry.low is not None:
        text += f" [{entry.low:.{DIGITS}f}, {entry.high:.{DIGITS}f}]"
    return text + interval_mark(entry)


def markdown(report: Report) -> str:
    """The whole document."""
    return (
        environment(in_markdown)
        .get_template("leaderboard.md.j2")
        .render(
            report=report,
            differences=differences(report.runs),
            width=BLOCK,
            number=number,
            notes=notes,
            interval_notes=interval_notes,
            what_was_tested=what_was_tested,
            training_sets=training_sets(report.boards),
            untested=UNTESTED,
            summarised={column for board in report.boards for column in board.summary},
            legend=legend,
            verdict=verdict,
            untrained=UNTRAINED,
            rank_board=rank_board,
            short=short,
            digits=DIGITS,
            headings=HEADINGS,
            operating_headings=operating.HEADINGS,
        )
    )
