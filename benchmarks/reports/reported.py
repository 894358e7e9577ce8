"""Figures that somebody published: a table of their own, never beside measured numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.reports.load import Run


@dataclass(frozen=True)
class ReportedFigure:
    """One published figure of a detector, as its card in run.json has it. value in [0, 1]."""

    detector: str
    on: str
    metric: str
    value: float
    source: str


def reported(runs: Sequence[Run]) -> list[ReportedFigure]:
    """All published figures of the runs' detectors, each once."""
    figures = [
        ReportedFigure(name, figure.on, figure.metric, figure.value, figure.source)
        for run in runs
        for name in run.table_detectors
        for figure in run.facts(name).card.reported
    ]
    return list(dict.fromkeys(figures))
