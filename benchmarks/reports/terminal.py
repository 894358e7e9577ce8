"""The leaderboard on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.reports.board import Board, BoardEntry, BoardRow, boards, grouped, warnings
from benchmarks.reports.cost import CostTable, cost_tables, short
from benchmarks.reports.load import Run, check_metrics
from benchmarks.reports.notes import UNTRAINED, legend, mark, notes, training_sets, what_was_tested
from benchmarks.reports.operating import HEADINGS as operating_headings
from benchmarks.reports.operating import Operating, operating_points
from benchmarks.reports.reported import Comparison, comparisons, verdict
from benchmarks.reports.robustness import SuiteTable, robustness
from benchmarks.reports.statistics.standings import HEADINGS, Standings, standings
from benchmarks.reports.statistics.verdicts import Verdicts
from benchmarks.runfolder.metrics_file import METRICS
from benchmarks.runfolder.scores import CLEAN
from benchmarks.text import plain

DIGITS = 3
_CELL = 12
_BOX = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_LABEL = 30


def print_runs(
    runs: Sequence[Run],
    console: Console,
    names: Sequence[str] | None = None,
    verdicts: Verdicts | None = None,
) -> None:
    """Print one leaderboard of all runs: test sets down, detectors across, one table per metric.

    The conditions of a suite have one table together, as there are many; each has its own in the files.

    names: metrics to show, by default `METRICS`. verdicts: of comparisons, for what is marked as best, and for the share
        of resamples in which the order of two detectors holds.
    """
    names = names or METRICS
    check_metrics(runs, names)
    for warning in warnings(runs):
        console.print(_text(f"Warning: {warning}", style="bold yellow"))
    found = boards(runs, names, verdicts.judge if verdicts else None)
    longest = max((len(f"{c.group} {c.label}") for board in found for c in board.shown), default=0)
    across = max(1, (console.width - min(longest, _LABEL) - 1) // (_CELL + 1))
    together = {name for run in runs for weights in run.record.suites.values() for name in weights} - {CLEAN}
    for board in found:
        if board.perturbation in together:
            continue
        for start in range(0, len(board.rows), across):
            console.print(_table(board, board.rows[start : start + across]))
        if said := what_was_tested(board):
            console.print(_text(f"{said}.", style="dim"))
        for over_all in standings(board, verdicts):
            console.print(_over_all(over_all))
    operating = [one for one in operating_points(runs) if one.perturbation not in together]
    for one in operating:
        console.print(_operating(one))
    for suite in robustness(runs, found).suites:
        console.print(_suite(suite))
    if together:
        console.print(
            _text("Each condition of a suite has tables of its own in leaderboard.md and on the page.")
        )
    for table in cost_tables(runs, found):
        console.print(_cost(table))
    if compared := comparisons(runs):
        console.print(_beside_reported(compared))
    footnotes = dict.fromkeys(note for board in found for note in notes(board))
    marks = dict.fromkeys(line for one in operating for line in one.legend)
    for text, of in training_sets(found):
        console.print(_text(f"Trained on {text}: {', '.join(row.label for row in of)}", style="dim"))
    for sign, text in [*footnotes, *legend(found), *marks]:
        console.print(_text(f"{sign} {text}", style="dim"))


def _table(board: Board, rows: Sequence[BoardRow]) -> Table:
    direction = "higher" if board.higher_is_better else "lower"
    pictures = "clean pictures" if board.perturbation == "none" else board.perturbation
    title = _text(f"{board.metric} ({direction} is better), {pictures}", style="bold")
    table = Table(title=title, title_justify="left", box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("test set", max_width=_LABEL, overflow="fold")
    for row in rows:
        table.add_column(_name(row), justify="right", min_width=_CELL, max_width=_CELL, overflow="fold")
    for group, columns in grouped(board.shown):
        for column in columns:
            label = _text(f"{group} {column.label}", style="bold" if column.is_mean else "")
            numbers = (_number(board.entries.get((row, column))) for row in rows)
            table.add_row(label, *numbers, end_section=column is columns[-1])
    return table


def _suite(found: SuiteTable) -> Table:
    """A suite's mean and worst condition: detectors down."""
    direction = "higher" if found.higher_is_better else "lower"
    title = _text(f"{found.metric} ({direction} is better), suite {found.suite}", style="bold")
    table = Table(title=title, title_justify="left", box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("detector")
    for heading in ("clean", "mean", "worst"):
        table.add_column(heading, justify="right")
    table.add_column("under")
    for one in found.rows:
        numbers = (
            "–" if value is None else f"{value:.{DIGITS}f}"
            for value in (one.clean, one.mean, one.worst_value)
        )
        table.add_row(_name(one.row), *numbers, _text(one.worst))
    return table


def _beside_reported(compared: Sequence[Comparison]) -> Table:
    title = Text("measured and reported (difference: measured minus reported)", style="bold")
    table = Table(title=title, title_justify="left", box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("detector, test set", max_width=_LABEL, overflow="fold")
    for head in ("metric", "measured", "reported", "difference", "in interval"):
        table.add_column(head, justify="right", overflow="fold")
    for one in compared:
        condition = "" if one.perturbation == CLEAN else f", {one.perturbation}"
        table.add_row(
            _text(f"{one.row.label}, {one.on}{condition}"),
            _text(one.metric),
            Text(one.mark) if one.measured is None else _number(one.measured, ranked=False),
            Text(f"{one.reported:.{DIGITS}f}"),
            Text("" if one.difference is None else f"{one.difference:+.{DIGITS}f}"),
            Text(verdict(one)),
        )
    return table


def _cost(found: CostTable) -> Table:
    """What each detector costs, and which are beaten by none: detectors down."""
    title = Text(f"cost on {found.device}; ● no other is as good and as fast", style="bold")
    table = Table(title=title, title_justify="left", box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("detector")
    for heading in (found.metric, "pictures/s", "memory", "FLOPs", "trained", "frozen"):
        table.add_column(heading, justify="right")
    for one in found.rows:
        cost = one.cost
        table.add_row(
            _name(one.row),
            f"{'● ' if one.front else ''}{'–' if one.value is None else f'{one.value:.{DIGITS}f}'}",
            f"{cost.pictures_per_second:.3g}",
            *map(short, (cost.peak_memory, cost.flops, cost.parameters_trained, cost.parameters_frozen)),
        )
    return table


def _over_all(found: Standings) -> Table:
    """Worst case and stability: detectors down."""
    table = Table(box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column(f"over {found.n_sets} sets", max_width=_LABEL, overflow="fold")
    rows = [(one.row, one.shown(DIGITS)) for one in found.rows]
    used = [i for i in range(len(HEADINGS)) if any(texts[i] for _, texts in rows)]
    for i in used:
        on = HEADINGS[i] == "on"
        table.add_column(HEADINGS[i], justify="left" if on else "right", max_width=_LABEL if on else 8)
    for row, texts in rows:
        table.add_row(_name(row), *(_text(texts[i]) for i in used))
    return table


def _operating(found: Operating) -> Table:
    title = _text(found.title, style="bold")
    table = Table(title=title, title_justify="left", box=_BOX, padding=(0, 0, 0, 1), pad_edge=False)
    for heading in ("detector", *operating_headings):
        justify: Literal["left", "right"] = "left" if heading in ("detector", "test set") else "right"
        table.add_column(heading, justify=justify, max_width=_LABEL, overflow="fold")
    for point in found.points:
        table.add_row(_name(point.row), *map(_text, point.shown(DIGITS)))
    return table


def _name(row: BoardRow) -> Text:
    return _text(f"{row.label} {UNTRAINED}", style="yellow") if row.untrained else _text(row.label)


def _text(name: str, style: str = "") -> Text:
    return Text(plain(name), style=style)


def _number(entry: BoardEntry | None, ranked: bool = True) -> Text:
    if entry is None or entry.value is None:
        return Text(mark(entry), style="red")
    style = {1: "bold green", 2: "underline"}.get(entry.place, "") if ranked else ""
    spread = f"±{entry.spread['standard_deviation']:.{DIGITS}f}" if entry.spread else ""
    return Text(f"{entry.value:.{DIGITS}f}", style=style) + Text(spread + mark(entry), style="yellow")
