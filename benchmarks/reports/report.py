"""Everything that a report of one or several runs shows, computed once for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.reports.board import Board, boards, warnings
from benchmarks.reports.cellscores import ScoreReader
from benchmarks.reports.cost import CostTable, cost_tables
from benchmarks.reports.load import Run, check_metrics
from benchmarks.reports.operating import Operating, operating_points
from benchmarks.reports.reported import Comparison, ReportedFigure, comparisons, reported
from benchmarks.reports.robustness import Robustness, robustness
from benchmarks.reports.statistics.compare import compare
from benchmarks.reports.statistics.standings import Standings, standings
from benchmarks.reports.statistics.verdicts import Verdicts
from benchmarks.reports.thresholds import Loss, losses


@dataclass(frozen=True)
class Report:
    """runs as read; boards: one per metric and perturbation; standings: of each board; comparisons: the table of
    `compare`; beside_reported: measured numbers beside published ones; read: the score files, those already read kept."""

    runs: Sequence[Run]
    metrics: Sequence[str]
    boards: Sequence[Board]
    standings: Sequence[Sequence[Standings]]
    warnings: Sequence[str]
    comparisons: pd.DataFrame
    operating: Sequence[Operating]
    losses: Sequence[Loss]
    reported: Sequence[ReportedFigure]
    robustness: Robustness
    costs: Sequence[CostTable]
    beside_reported: Sequence[Comparison]
    read: ScoreReader


def make_report(runs: Sequence[Run], metrics: Sequence[str]) -> Report:
    """Compare, rank and tabulate; raises `UserError` for a metric that no run has."""
    check_metrics(runs, metrics)
    read = ScoreReader()
    compared = compare(runs, metrics, read)
    verdicts = Verdicts(compared)
    found = boards(runs, metrics, verdicts.judge)
    return Report(
        runs,
        metrics,
        found,
        [standings(board, verdicts) for board in found],
        warnings(runs),
        compared,
        operating_points(runs),
        losses(runs),
        reported(runs),
        robustness(runs, found),
        cost_tables(runs, found),
        comparisons(runs),
        read,
    )
