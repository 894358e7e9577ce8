"""Which detectors of a column a paired test cannot tell apart, and in how many resamples their order holds."""

from __future__ import annotations

import pandas as pd

from benchmarks.reports.board import Verdict
from benchmarks.reports.load import Pictures
from benchmarks.reports.statistics.compare import BOOTSTRAP, DELONG, MCNEMAR, SEEDS, Detector

ALPHA = 0.05
PREFERRED = (DELONG, MCNEMAR, BOOTSTRAP, SEEDS)
"""Which test decides where several were made, the metric's own one first."""


class Verdicts:
    """Answers from a table of `compare`."""

    def __init__(self, comparisons: pd.DataFrame) -> None:
        self._verdicts: dict[tuple[str, str, Pictures], dict[frozenset[Detector], Verdict]] = {}
        drawn = comparisons[comparisons["holds"].notna()]
        pairs = (drawn[name] for name in ["metric", "perturbation", "pictures", "first", "second", "holds"])
        self._holds = {
            (metric, perturbation, pictures, frozenset([first, second])): float(share)
            for metric, perturbation, pictures, first, second, share in zip(*pairs, strict=True)
        }
        for test in reversed(PREFERRED):
            verdict = {alike: Verdict(test, alike) for alike in (False, True)}
            chosen = comparisons[(comparisons["test"] == test) & comparisons["p_holm"].notna()]
            columns = (
                chosen[name] for name in ["metric", "perturbation", "pictures", "first", "second", "p_holm"]
            )
            for metric, perturbation, pictures, first, second, p in zip(*columns, strict=True):
                made = self._verdicts.setdefault((metric, perturbation, pictures), {})
                made[frozenset([first, second])] = verdict[p >= ALPHA]

    def judge(
        self, metric: str, perturbation: str, pictures: Pictures, first: Detector, second: Detector
    ) -> Verdict | None:
        """What the test found: alike where p ≥ 0.05 after correction. None where none was made, or it has no p."""
        made = self._verdicts.get((metric, perturbation, pictures))
        return made.get(frozenset([first, second])) if made else None

    def holds(
        self, metric: str, perturbation: str, pictures: Pictures, first: Detector, second: Detector
    ) -> float | None:
        """Share of the resamples in which the two are in the order of their values; None where it is not known."""
        return self._holds.get((metric, perturbation, pictures, frozenset([first, second])))
