"""The leaderboard on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.reports.board import Board, Column, Entry, Row, boards, warnings
from benchmarks.reports.load import METRICS, Run, check_metrics
from benchmarks.reports.notes import UNTRAINED, legend, mark, notes

DIGITS = 3
_CELL = 9
_LABEL = 28


def print_leaderboard(
    metrics: Mapping[str, Any], console: Console, names: Sequence[str] | None = None
) -> None:
    """Print the leaderboard of one run.

    metrics: the content of metrics.json. names: metrics to show, one table each, by default `METRICS`.
    """
    print_runs([Run("", metrics)], console, names)


def print_runs(runs: Sequence[Run], console: Console, names: Sequence[str] | None = None) -> None:
    """Print one leaderboard of all runs; wide ones in several tables, whole paradigms together."""
    names = names or METRICS
    check_metrics(runs, names)
    for warning in warnings(runs):
        console.print(Text(f"Warning: {warning}", style="bold yellow"))
    found = boards(runs, names)
    for board in found:
        label = min(_LABEL, max((len(row.label) for row in board.rows), default=0) + 2)
        for columns in board.blocks(max(1, (console.width - label - 4) // (_CELL + 2))):
            console.print(_table(board, columns))
        for sign, text in notes(board):
            console.print(Text(f"{sign} {text}", style="dim"))
        console.print()
    for sign, meaning in legend(found):
        console.print(Text(f"{sign} {meaning}", style="dim"))


def _table(board: Board, columns: Sequence[Column]) -> Table:
    direction = "higher" if board.higher_is_better else "lower"
    pictures = "clean pictures" if board.perturbation == "none" else board.perturbation
    title = Text(f"{board.metric} ({direction} is better), {pictures}", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("detector", max_width=_LABEL, overflow="fold")
    for column in columns:
        header = Text(f"{column.group}\n{column.label}")
        table.add_column(header, justify="right", width=_CELL, overflow="fold")
    for row in board.rows:
        table.add_row(_name(row), *(_number(board.entries.get((row, column))) for column in columns))
    return table


def _name(row: Row) -> Text:
    return Text(f"{row.label} {UNTRAINED}", style="yellow") if row.untrained else Text(row.label)


def _number(entry: Entry | None) -> Text:
    if entry is None or entry.value is None:
        return Text(mark(entry), style="red")
    style = {1: "bold green", 2: "underline"}.get(entry.rank or 0, "")
    return Text(f"{entry.value:.{DIGITS}f}", style=style) + Text(mark(entry), style="yellow")
