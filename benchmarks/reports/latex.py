"""`leaderboard.tex`: booktabs tables to include in a paper."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.reports import operating
from benchmarks.reports.board import DIGITS, Board, BoardEntry, Column, grouped
from benchmarks.reports.notes import (
    FAILED,
    OWN,
    PARTIAL,
    SPREAD,
    TIED,
    UNDEFINED,
    UNTESTED,
    UNTRAINED,
    legend,
    mark,
    notes,
    training_sets,
    what_was_tested,
)
from benchmarks.reports.report import Report
from benchmarks.reports.reported import sources, verdict
from benchmarks.reports.statistics.standings import HEADINGS
from benchmarks.reports.templates import environment
from benchmarks.text import in_latex

LINE = 105
"""Letters that fit beside each other over both columns of a paper, in footnote size."""
TALL = 36
"""Rows of one table: more do not fit a page with caption and notes."""

_MARKS = {
    UNTRAINED: r"\textsuperscript{\dag}",
    PARTIAL: r"\textsuperscript{\ddag}",
    FAILED: r"$\times$",
    UNDEFINED: "--",
    TIED: r"\textsuperscript{$\approx$}",
    OWN: r"\textsuperscript{$\diamond$}",
    SPREAD: r"$\pm$",
}


def number(entry: BoardEntry | None) -> str:
    """One table cell: value and mark; best in bold, second underlined."""
    sign = _MARKS.get(mark(entry), "")
    if entry is None or entry.value is None:
        return sign
    text = f"{entry.value:.{DIGITS}f}"
    text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(entry.place, text)
    if entry.spread:
        text += rf" $\pm$ {entry.spread['standard_deviation']:.{DIGITS}f}"
    return text + sign


def blocks(board: Board) -> Iterator[list[Column]]:
    """The columns in tables that need not be shrunk to fit the text, unless a single name is too long."""
    number_width = 16 if any(entry.spread for entry in board.entries.values()) else 7
    beside = max((len(row.label) for row in board.rows), default=0)
    block: list[Column] = []
    used = beside
    for column in board.shown:
        wide = max(len(column.label), number_width) + 3
        if block and used + wide > LINE:
            yield block
            block, used = [], beside
        block.append(column)
        used += wide
    if block:
        yield block


def latex(report: Report) -> str:
    """The whole file: one `table*` per block of columns and of rows, none wider than the text."""
    trained = training_sets(report.boards)
    return (
        environment(in_latex)
        .get_template("leaderboard.tex.j2")
        .render(
            report=report,
            blocks=blocks,
            tall=TALL,
            number=number,
            notes=notes,
            what_was_tested=what_was_tested,
            training_sets=trained,
            training_rows=[(row, text) for text, rows in trained for row in rows],
            untested=UNTESTED,
            legend=legend,
            verdict=verdict,
            sources=sources,
            marks=_MARKS,
            untrained=UNTRAINED,
            grouped=grouped,
            digits=DIGITS,
            headings=HEADINGS,
            operating_headings=operating.HEADINGS,
        )
    )
