"""What detectors cost beside what they reach: a table per run, and the front that no other detector beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.means import ALL
from benchmarks.reports.board import Board, BoardRow
from benchmarks.reports.load import Run
from benchmarks.reports.svg import inline_svg
from benchmarks.runfolder.record import CostRecord
from benchmarks.runfolder.scores import CLEAN
from benchmarks.text import plain


@dataclass(frozen=True)
class CostRow:
    """One detector. value: mean of the metric over all test sets on clean pictures, None where undefined.

    front: no other trained detector of the table is at least as good and at least as fast, and better in one of both.
    """

    row: BoardRow
    cost: CostRecord
    value: float | None
    front: bool = False


@dataclass(frozen=True)
class CostTable:
    """The detectors of one run that were measured on one device, the fastest first."""

    run: str
    device: str
    metric: str
    higher_is_better: bool
    rows: list[CostRow]


def cost_tables(runs: Sequence[Run], boards: Sequence[Board]) -> list[CostTable]:
    """One table for each device that detectors of a run were measured on, in the first metric of the report."""
    board = next((one for one in boards if one.perturbation == CLEAN), None)
    if board is None:
        return []
    tables = []
    for run in runs:
        measured: dict[str, list[CostRow]] = {}
        for row in board.rows:
            cost = run.facts(row.detector).cost if row.run == run.label else None
            if cost:
                device = f"{cost.device} ({cost.device_name}), {cost.dtype}"
                measured.setdefault(device, []).append(CostRow(row, cost, _value(board, row)))
        for device, rows in measured.items():
            ordered = sorted(rows, key=lambda one: -one.cost.pictures_per_second)
            tables.append(
                CostTable(
                    run.label,
                    device,
                    board.metric,
                    board.higher_is_better,
                    _with_front(ordered, board.higher_is_better),
                )
            )
    return tables


def _value(board: Board, row: BoardRow) -> float | None:
    found = (
        board.entries[row, column]
        for column in board.columns
        if column.is_mean and column.group == ALL and (row, column) in board.entries
    )
    entry = next(found, None)
    return entry.value if entry and entry.status == COMPLETE else None


def _with_front(rows: Sequence[CostRow], higher_is_better: bool) -> list[CostRow]:
    sign = 1 if higher_is_better else -1
    points = [
        None if one.value is None or one.row.untrained else (sign * one.value, one.cost.pictures_per_second)
        for one in rows
    ]
    return [
        replace(one, front=point is not None and not any(other and _beats(other, point) for other in points))
        for one, point in zip(rows, points, strict=True)
    ]


def _beats(other: tuple[float, float], one: tuple[float, float]) -> bool:
    return other[0] >= one[0] and other[1] >= one[1] and other != one


def short(number: float | None) -> str:
    """1.28 M, 300 G and so on; a dash for what could not be measured."""
    if number is None:
        return "–"
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


def pareto_svg(table: CostTable) -> str:
    """A drawing of metric against seconds per picture, the front joined; empty where fewer than two can be drawn.

    Text stays text and takes the colour of what is around it, so that it fits light and dark pages.
    """
    from matplotlib.figure import Figure

    drawn = [
        (1 / one.cost.pictures_per_second, one.value, one) for one in table.rows if one.value is not None
    ]
    if len(drawn) < 2:
        return ""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for seconds, value, one in drawn:
        marker, colour = ("o", "#0b62c4") if one.front else ("x", "#808890")
        axes.plot(seconds, value, marker, color=colour, markersize=7)
        label = plain(f"{one.row.label} †" if one.row.untrained else one.row.label)
        at: Any = {"xytext": (6, 5), "textcoords": "offset points", "fontsize": 9}
        axes.annotate(label, (seconds, value), parse_math=False, **at)
    front = sorted((seconds, value) for seconds, value, one in drawn if one.front)
    axes.plot([x for x, _ in front], [y for _, y in front], color="#0b62c4", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.25, y=0.12)
    axes.set_xlabel(f"seconds per picture on {table.device}", fontsize=9)
    axes.set_ylabel(f"{table.metric}, mean over all test sets")
    return inline_svg(figure, table.run)
