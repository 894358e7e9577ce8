"""Everything that a report of one or several runs shows, computed once for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.reports.board import Board, boards, warnings
from benchmarks.reports.load import Run, check_metrics
from benchmarks.reports.reported import ReportedFigure, reported
from benchmarks.reports.statistics.compare import compare
from benchmarks.reports.statistics.verdicts import Verdicts
from benchmarks.reports.thresholds import Loss, losses


@dataclass(frozen=True)
class Report:
    """runs as read; boards: one per metric and perturbation; comparisons: the table of `compare`."""

    runs: Sequence[Run]
    metrics: Sequence[str]
    boards: Sequence[Board]
    warnings: Sequence[str]
    comparisons: pd.DataFrame
    losses: Sequence[Loss]
    reported: Sequence[ReportedFigure]


def make_report(runs: Sequence[Run], metrics: Sequence[str]) -> Report:
    """Compare, rank and tabulate; raises `UserError` for a metric that no run has."""
    check_metrics(runs, metrics)
    comparisons = compare(runs, metrics)
    return Report(
        runs,
        metrics,
        boards(runs, metrics, Verdicts(comparisons).alike),
        warnings(runs),
        comparisons,
        losses(runs),
        reported(runs),
    )
