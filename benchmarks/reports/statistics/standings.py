"""Detectors over all test sets of a board: mean, worst set, and how far their order depends on the sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.means import ALL
from benchmarks.reports.board import DIGITS, Board, BoardRow, Column
from benchmarks.reports.statistics.verdicts import Verdicts

Floats = NDArray[np.float64]

HEADINGS = ("mean", "rank", "rank without one set", "worst", "on", "rank by worst", "ahead of next in")
"""What `Overall.shown` gives."""


@dataclass(frozen=True)
class Standing:
    """One detector over several test sets.

    mean, worst: its mean and its worst value, None where a set lacks the metric: over fewer sets neither can be
    compared. worst_on: the set of the worst value, all of them where several have it, as "paradigm name". rank,
    rank_by_worst: 1 for the best mean or worst value, what looks the same shares one; None for what is not ranked.
    """

    mean: float | None
    worst: float | None
    worst_on: tuple[str, ...]
    rank: int | None
    rank_by_worst: int | None


@dataclass(frozen=True)
class Overall:
    """One detector over all sets, and over all but one.

    whole: over all sets. without: the set that is left out, and over all the others, of every set. next_label:
    the detector with the next best mean; ahead: share of the resamples in which the order of these two is the one
    shown. Both None for the last, for what is not ranked, and without resamples.
    """

    row: BoardRow
    whole: Standing
    without: tuple[tuple[str, Standing], ...]
    next_label: str | None = None
    ahead: float | None = None

    @property
    def ranks_without(self) -> tuple[int, int] | None:
        """Best and last rank by mean that it has if one set is left out."""
        ranks = [one.rank for _, one in self.without if one.rank is not None]
        return (min(ranks), max(ranks)) if ranks else None

    def shown(self, digits: int) -> list[str]:
        """What a table says of it, in the order of `HEADINGS`; empty where there is nothing to say."""
        first, *others = self.whole.worst_on or ("",)
        ranks = self.ranks_without
        return [
            "" if self.whole.mean is None else f"{self.whole.mean:.{digits}f}",
            str(self.whole.rank or ""),
            "–".join(dict.fromkeys(map(str, ranks or ()))),
            "" if self.whole.worst is None else f"{self.whole.worst:.{digits}f}",
            f"{first} and {len(others)} more" if others else first,
            str(self.whole.rank_by_worst or ""),
            "" if self.ahead is None else f"{100 * self.ahead:.1f} %",
        ]


@dataclass(frozen=True)
class Standings:
    """Detectors that have a mean over the same pictures, those of `column`, best mean first."""

    column: Column
    n_sets: int
    rows: tuple[Overall, ...]


def standings(board: Board, verdicts: Verdicts | None = None) -> list[Standings]:
    """Standings over all test sets of a board; one for each choice of pictures that has two sets or more.

    verdicts: of the comparisons, for `Overall.ahead`.
    """
    return list(_standings(board, verdicts))


def _standings(board: Board, verdicts: Verdicts | None) -> Iterator[Standings]:
    for column in board.columns:
        # a test set can be called `mean`, but not of the paradigm that stands for all
        sets = [one for one in board.columns if not one.is_mean and one.pictures <= column.pictures]
        if column.group != ALL or not column.is_mean or len(sets) < 2:
            continue
        rows = [row for row in board.rows if (row, column) in board.entries]
        ranked = np.array([_is_ranked(board, row, column) for row in rows])
        values = np.array([[_value(board, row, one) for one in sets] for row in rows], float)
        means = np.array([_value(board, row, column) for row in rows], float)
        names = [f"{one.group} {one.label}" for one in sets]
        found = _over(means, values, names, ranked, board.higher_is_better)
        without: list[list[tuple[str, Standing]]] = [[] for _ in rows]
        for left in range(len(sets)):
            rest = np.delete(values, left, axis=1)
            others = [*names[:left], *names[left + 1 :]]
            for at, one in enumerate(_over(rest.mean(1), rest, others, ranked, board.higher_is_better)):
                without[at].append((names[left], one))
        order = sorted(range(len(rows)), key=lambda at: _place(float(means[at]), board.higher_is_better))
        overall = [Overall(rows[at], found[at], tuple(without[at])) for at in order]
        yield Standings(column, len(sets), tuple(_with_next(board, column, overall, verdicts)))


def _is_ranked(board: Board, row: BoardRow, column: Column) -> bool:
    entry = board.entries[row, column]
    return (
        not row.untrained and not row.white_box_for and entry.status == COMPLETE and entry.value is not None
    )


def _value(board: Board, row: BoardRow, column: Column) -> float:
    entry = board.entries.get((row, column))
    return np.nan if entry is None or entry.value is None else entry.value


def _place(mean: float, higher_is_better: bool) -> float:
    return np.inf if np.isnan(mean) else -mean if higher_is_better else mean


def _over(
    means: Floats, values: Floats, names: Sequence[str], ranked: NDArray[np.bool_], higher_is_better: bool
) -> list[Standing]:
    """means (R,), values (R, S), NaN where there is none; ranked (R,)."""
    worst = values.min(1) if higher_is_better else values.max(1)
    ranks, by_worst = (_ranks(one, ranked, higher_is_better) for one in (means, worst))
    return [
        Standing(
            None if math.isnan(mean) else mean,
            None if math.isnan(least) else least,
            tuple(names[place] for place in np.flatnonzero(own).tolist()),
            rank,
            rank_by_worst,
        )
        for mean, least, own, rank, rank_by_worst in zip(
            means.tolist(), worst.tolist(), values == worst[:, None], ranks, by_worst, strict=True
        )
    ]


def _ranks(values: Floats, ranked: NDArray[np.bool_], higher_is_better: bool) -> list[int | None]:
    """1 for the best; None for what is not ranked, and for all where nothing is there to compare."""
    if ranked.sum() < 2:
        return [None] * len(values)
    shown = (-values if higher_is_better else values).round(DIGITS)
    places = 1 + np.searchsorted(np.sort(shown[ranked]), shown)
    return [place if one else None for place, one in zip(places.tolist(), ranked.tolist(), strict=True)]


def _with_next(
    board: Board, column: Column, rows: Sequence[Overall], verdicts: Verdicts | None
) -> Iterator[Overall]:
    ranked = [one for one in rows if one.whole.rank is not None]
    following = {one.row.key: after.row for one, after in pairwise(ranked)}
    for one in rows:
        after = following.get(one.row.key)
        if after is None or verdicts is None:
            yield one
            continue
        share = verdicts.holds(board.metric, board.perturbation, column.pictures, one.row.key, after.key)
        yield Overall(one.row, one.whole, one.without, after.label, share)
