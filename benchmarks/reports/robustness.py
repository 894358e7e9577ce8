"""How detectors hold under conditions: means over suites, the worst condition, and curves over strengths with their area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.intervals import Limits, combined, correlation_of
from benchmarks.metrics.means import ALL
from benchmarks.perturbations.spec import CHAIN
from benchmarks.reports.board import Board, BoardEntry, BoardRow, Column
from benchmarks.reports.load import Run
from benchmarks.runfolder.replicates import kept_replicates
from benchmarks.runfolder.scores import CLEAN

Floats = NDArray[np.float64]
Replicates = Mapping[tuple[str, str], Mapping[str, Floats]]
"""(detector, condition) → metric → mean over the run's test sets of each resample."""


@dataclass(frozen=True)
class SuiteRow:
    """One detector under one suite, means over all test sets of its run.

    values: by condition, None where undefined. mean: weighted over the conditions, None where one is undefined; low,
    high: its 95 % interval, None without resamples. worst, worst_value: the condition with the worst value.
    """

    row: BoardRow
    clean: float | None
    mean: float | None
    low: float | None
    high: float | None
    worst: str
    worst_value: float | None
    values: dict[str, float | None]


@dataclass(frozen=True)
class SuiteTable:
    """One suite of one run in one metric. weights: by condition."""

    run: str
    suite: str
    metric: str
    higher_is_better: bool
    weights: dict[str, float]
    rows: list[SuiteRow]


@dataclass(frozen=True)
class RobustnessCurve:
    """One detector over the strengths of one perturbation, mean over all test sets of its run.

    points: (parameter, value), by parameter. area: under the curve by the trapezoid rule over the span of parameters,
    so that a constant curve has its own height; None where a value is undefined. worst: the point with the worst value.
    """

    row: BoardRow
    metric: str
    perturbation: str
    clean: float | None
    points: list[tuple[float, float | None]]
    area: float | None
    worst: tuple[float, float] | None


@dataclass(frozen=True)
class Robustness:
    """Everything of a report's runs that has more than one condition."""

    suites: list[SuiteTable]
    curves: list[RobustnessCurve]


def robustness(runs: Sequence[Run], boards: Sequence[Board]) -> Robustness:
    """Suites and curves of the metrics of `boards`."""
    overall = list(_overall(boards))
    suites = [
        table
        for run in runs
        for name, weights in run.record.suites.items()
        for table in _suite_tables(run, name, weights, overall)
    ]
    return Robustness(suites, list(_curves(overall)))


@dataclass(frozen=True)
class _Overall:
    """Means over all sets of one detector in one metric, by condition."""

    row: BoardRow
    metric: str
    higher_is_better: bool
    entries: dict[str, BoardEntry]

    def value(self, condition: str) -> float | None:
        entry = self.entries.get(condition)
        return entry.value if entry and entry.status == COMPLETE else None

    def estimate(self, condition: str) -> Limits | None:
        entry = self.entries.get(condition)
        if entry is None or entry.value is None or entry.low is None or entry.high is None:
            return None
        return Limits(entry.value, entry.low, entry.high)

    def worst(self, values: Mapping[str, float]) -> str:
        best_first = sorted(values, key=lambda name: values[name], reverse=self.higher_is_better)
        return best_first[-1]


def _overall(boards: Sequence[Board]) -> Iterator[_Overall]:
    """The mean over all sets of each row; a row whose runs held other pictures has a column of its own."""
    for metric in dict.fromkeys(board.metric for board in boards):
        mine = [board for board in boards if board.metric == metric]
        for row in dict.fromkeys(row for board in mine for row in board.rows):
            entries = {
                board.perturbation: board.entries[row, column]
                for board in mine
                for column in board.columns
                if _is_overall(column) and (row, column) in board.entries
            }
            yield _Overall(row, metric, mine[0].higher_is_better, entries)


def _is_overall(column: Column) -> bool:
    return column.is_mean and column.group == ALL


def _suite_tables(
    run: Run, name: str, weights: Mapping[str, float], overall: Sequence[_Overall]
) -> Iterator[SuiteTable]:
    mine = [one for one in overall if one.row.run == run.label]
    drawn = _replicates(run, [*weights], [*dict.fromkeys(one.metric for one in mine)])
    for metric in dict.fromkeys(one.metric for one in mine):
        members = [one for one in mine if one.metric == metric]
        rows = [_suite_row(one, weights, drawn) for one in members]
        higher = members[0].higher_is_better
        yield SuiteTable(run.label, name, metric, higher, dict(weights), rows)


def _suite_row(one: _Overall, weights: Mapping[str, float], drawn: Replicates) -> SuiteRow:
    values = {condition: one.value(condition) for condition in weights}
    known = {condition: value for condition, value in values.items() if value is not None}
    worst = one.worst(known) if known else ""
    mean = low = high = None
    if len(known) == len(weights):
        share = np.array([weights[condition] for condition in known])
        mean = float(np.average(list(known.values()), weights=share))
        found = [drawn.get((one.row.detector, condition), {}).get(one.metric) for condition in known]
        replicates = [each for each in found if each is not None]
        own = [one.estimate(condition) for condition in known]
        estimates = [each for each in own if each is not None]
        if len(replicates) == len(estimates) == len(known):
            bounds = suite_mean(estimates, replicates, share / share.sum())
            low, high = bounds.low, bounds.high
    return SuiteRow(one.row, one.value(CLEAN), mean, low, high, worst, known.get(worst), values)


def suite_mean(estimates: Sequence[Limits], replicates: Sequence[Floats], share: Floats) -> Limits:
    """The interval of a mean over conditions of the same pictures.

    replicates: (resamples,) of each condition, paired. share: (conditions,), the weights; their sum is 1.
    """
    return combined(estimates, share, correlation_of(np.stack(replicates)))


def _replicates(run: Run, conditions: Sequence[str], metrics: Sequence[str]) -> Replicates:
    """Replicate i draws the same pictures under every condition, so their mean is paired."""
    if run.folder is None:
        return {}
    datasets = set(run.record.datasets)
    found: dict[tuple[str, str], dict[str, Floats]] = {}
    for condition in conditions:
        cells: dict[str, dict[str, dict[str, Floats]]] = {}
        for (cell, _), replicates in kept_replicates(run.folder, condition, metrics).items():
            cells.setdefault(cell.detector, {})[cell.dataset] = replicates
        for detector, by_set in cells.items():
            if set(by_set) == datasets:
                found[detector, condition] = {
                    metric: np.mean([by_set[name][metric] for name in datasets], axis=0)
                    for metric in metrics
                    if all(metric in by_set[name] for name in datasets)
                }
    return found


def _curves(overall: Sequence[_Overall]) -> Iterator[RobustnessCurve]:
    for one in overall:
        families: dict[str, list[tuple[float, float | None]]] = {}
        for condition in one.entries:
            name, _, parameter = condition.partition(":")
            if not condition.startswith(CHAIN) and (strength := _number(parameter)) is not None:
                families.setdefault(name, []).append((strength, one.value(condition)))
        for name, points in families.items():
            if len(points) > 1:
                points.sort()
                yield RobustnessCurve(
                    one.row, one.metric, name, one.value(CLEAN), points, area(points), _worst(one, points)
                )


def area(points: Sequence[tuple[float, float | None]]) -> float | None:
    """Mean height of the polygon through (parameter, value), sorted; None where a value is None."""
    strengths, values = zip(*points, strict=True)
    if None in values:
        return None
    return float(np.trapezoid(values, strengths) / (strengths[-1] - strengths[0]))


def _worst(one: _Overall, points: Sequence[tuple[float, float | None]]) -> tuple[float, float] | None:
    known = [(strength, value) for strength, value in points if value is not None]
    pick = min if one.higher_is_better else max
    return pick(known, key=lambda point: point[1]) if known else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
