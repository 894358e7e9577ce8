"""`leaderboard.md`: one table per metric and perturbation, with intervals and footnotes."""

from __future__ import annotations

import re

from benchmarks.reports.board import DIGITS, BoardEntry
from benchmarks.reports.notes import UNTRAINED, interval_mark, interval_notes, legend, mark, notes
from benchmarks.reports.report import Report
from benchmarks.reports.statistics.mean_ranks import rank_board
from benchmarks.reports.statistics.standings import HEADINGS
from benchmarks.reports.templates import environment

BLOCK = 9
"""Columns of one table."""


def escape(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    shown = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*|\[\]~#])", r"\\\1", shown)
    shown = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", shown)
    return " ".join(shown.split())


def number(entry: BoardEntry | None) -> str:
    """One table cell: value, interval and mark; best in bold, second underlined."""
    if entry is None or entry.value is None:
        return mark(entry)
    text = f"{entry.value:.{DIGITS}f}{mark(entry)}"
    text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(entry.rank or 0, text)
    if entry.low is not None:
        text += f" [{entry.low:.{DIGITS}f}, {entry.high:.{DIGITS}f}]"
    return text + interval_mark(entry)


def markdown(report: Report) -> str:
    """The whole document."""
    return (
        environment(escape)
        .get_template("leaderboard.md.j2")
        .render(
            report=report,
            width=BLOCK,
            number=number,
            notes=notes,
            interval_notes=interval_notes,
            legend=legend,
            untrained=UNTRAINED,
            rank_board=rank_board,
            digits=DIGITS,
            headings=HEADINGS,
        )
    )
