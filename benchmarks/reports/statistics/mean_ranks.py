"""Ranks of detectors over test sets: do the sets agree on an order?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.cell import COMPLETE
from benchmarks.reports.board import Board


@dataclass(frozen=True)
class RankSummary:
    """Ranks over S test sets of D detectors, 1 = best, ties share the mean of their ranks.

    mean_ranks: (D,). friedman: χ² statistic with D − 1 degrees of freedom, p its p-value: no detector
    ranks better than another. kendall_w: agreement of the sets, 0 none to 1 full. All three None with a
    `reason` where fewer than 3 detectors or 2 sets are there, or all values are tied.
    """

    mean_ranks: tuple[float, ...]
    friedman: float | None = None
    p: float | None = None
    kendall_w: float | None = None
    reason: str = ""


def summarise(values: NDArray[np.float64], higher_is_better: bool, sharing: int = 0) -> RankSummary:
    """Rank detectors on every test set; values (S, D) without gaps.

    sharing: how many of the sets hold pictures that others hold, too. Friedman's test and Kendall's W take the
        sets for independent: they are withheld then.
    """
    sets, detectors = values.shape
    if not sets or not detectors:
        return RankSummary((), reason="no detector is trained and complete on every test set")
    ranks = scipy.stats.rankdata(-values if higher_is_better else values, axis=1)
    means = tuple(float(mean) for mean in ranks.mean(0))
    if detectors < 3 or sets < 2:
        return RankSummary(means, reason=f"{detectors} detectors on {sets} sets; 3 on 2 are needed")
    if np.ptp(ranks, axis=1).max() == 0:
        return RankSummary(means, reason="all values are tied")
    if sharing:
        reason = f"{sharing} of {sets} sets share pictures; Friedman's test and Kendall's W take sets for independent"
        return RankSummary(means, reason=reason)
    statistic, p = scipy.stats.friedmanchisquare(*ranks.T)
    return RankSummary(means, float(statistic), float(p), float(statistic / (sets * (detectors - 1))))


@dataclass(frozen=True)
class BoardRanks:
    """Ranks of the detectors that are trained, complete on every test set of a board, and no white boxes.

    labels: those detectors, in the order of `summary.mean_ranks`; left_out: the others.
    """

    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    n_sets: int
    summary: RankSummary


def rank_board(board: Board) -> BoardRanks:
    """Rank the detectors of a board over all its test sets."""
    sets = [column for column in board.columns if not column.is_mean]
    values, ranked, left_out = [], [], []
    for row in board.rows:
        entries = [board.entries.get((row, column)) for column in sets]
        known = [e.value for e in entries if e and e.status == COMPLETE and e.value is not None]
        if row.untrained or row.white_box_for or len(known) < len(sets):
            left_out.append(row.label)
        else:
            ranked.append(row.label)
            values.append(known)
    table = np.array(values, dtype=float).reshape(len(ranked), len(sets)).T
    sharing = sum(any(name in board.sharing for name, _ in column.pictures) for column in sets)
    summary = summarise(table, board.higher_is_better, sharing)
    return BoardRanks(tuple(ranked), tuple(left_out), len(sets), summary)
