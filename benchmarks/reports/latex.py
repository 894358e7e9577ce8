"""`leaderboard.tex`: booktabs tables to include in a paper."""

from __future__ import annotations

from benchmarks.reports import operating
from benchmarks.reports.board import DIGITS, BoardEntry, grouped
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

BLOCK = 10
"""Columns of one table."""

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


def latex(report: Report) -> str:
    """The whole file: one `table*` per block of columns."""
    return (
        environment(in_latex)
        .get_template("leaderboard.tex.j2")
        .render(
            report=report,
            width=BLOCK,
            number=number,
            notes=notes,
            what_was_tested=what_was_tested,
            training_sets=training_sets(report.boards),
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
