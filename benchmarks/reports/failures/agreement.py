"""Which pictures detectors miss together, and how far their errors go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.reports.failures.scored import Floats, Scored, SetScores


@dataclass(frozen=True)
class Agreement:
    """One class of one test set: how many pictures all, none or one of the detectors call what they are.

    by_chance: pictures that all would miss if errors were independent, from each detector's own error rate.
    only: pictures that this detector alone gets right.
    """

    dataset: str
    label: int
    pictures: int
    all_right: int
    all_wrong: int
    by_chance: float
    only: dict[str, int]


def agreements(scored: Scored) -> list[Agreement]:
    """One for each class of each test set."""
    return [
        Agreement(
            one.dataset,
            label,
            len(places),
            int((count == len(scored.detectors)).sum()),
            int((count == 0).sum()),
            float(len(places) * np.prod(1 - right.mean(1))),
            {name: int((right[d] & (count == 1)).sum()) for d, name in enumerate(scored.detectors)},
        )
        for one in scored.sets
        for label, places in one.groups()
        for right in [one.right[:, places]]
        for count in [right.sum(0)]
    ]


@dataclass(frozen=True)
class Pair:
    """Two detectors. errors, ranks: correlation within classes of test sets, None where one does not vary.

    errors: of being wrong (φ); hangs on thresholds. ranks: of the logits (Spearman's ρ), whatever the thresholds.
    both_wrong, one_wrong: pictures.
    """

    first: str
    second: str
    errors: float | None
    ranks: float | None
    both_wrong: int
    one_wrong: int


def pairs(scored: Scored) -> list[Pair]:
    """Every pair of detectors, over all test sets.

    Values are centred within each class of each set before they are correlated, so that neither a hard set nor a
    threshold that calls everything generated makes two detectors look alike; with a single group the results are the
    plain φ and Spearman's ρ.
    """
    wrong = _centred(scored.sets, lambda one, places: (~one.right[:, places]).astype(float))
    ranks = _centred(scored.sets, lambda one, places: rankdata(one.logits[:, places], axis=1) / len(places))
    phi, rho = _correlations(wrong), _correlations(ranks)
    missed = np.concatenate([~one.right for one in scored.sets], axis=1).astype(int)
    both = missed @ missed.T
    return [
        Pair(
            scored.detectors[i],
            scored.detectors[j],
            _number(phi[i, j]),
            _number(rho[i, j]),
            int(both[i, j]),
            int(both[i, i] + both[j, j] - 2 * both[i, j]),
        )
        for i in range(len(scored.detectors))
        for j in range(i + 1, len(scored.detectors))
    ]


def _centred(sets: Sequence[SetScores], values: Callable[[SetScores, NDArray[np.intp]], Floats]) -> Floats:
    found = []
    for one in sets:
        for _, places in one.groups():
            group = values(one, places)
            found.append(group - group.mean(1, keepdims=True))
    return np.concatenate(found, axis=1)


def _correlations(centred: Floats) -> Floats:
    """(D, N) → (D, D); NaN for a row that does not vary."""
    products = centred @ centred.T
    spread = np.sqrt(np.diag(products))
    spread[spread < 1e-9] = np.nan
    return products / spread[:, None] / spread[None, :]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(np.clip(value, -1, 1))


def picture_table(scored: Scored) -> pd.DataFrame:
    """One row per picture, the most missed first within each test set.

    wrong: how many detectors miss it. badness: mean over detectors of the share of its class and set that is scored
    less wrongly, ties half, in (0, 1): how bad it is whatever the thresholds. found_by: the detectors that are right.
    """
    frames = []
    for one in scored.sets:
        right = one.right
        badness = np.empty(len(one.labels))
        for label, places in one.groups():
            wrongness = -one.logits[:, places] if label else one.logits[:, places]
            badness[places] = ((rankdata(wrongness, axis=1) - 0.5) / len(places)).mean(0)
        names = np.array(scored.detectors, dtype=object)
        frame = pd.DataFrame(
            {
                "dataset": one.dataset,
                "path": one.paths,
                "label": one.labels,
                "wrong": (~right).sum(0),
                "badness": badness,
                "found_by": [" ".join(names[column]) for column in right.T],
                **{name: one.logits[d] for d, name in enumerate(scored.detectors)},
            }
        )
        frames.append(frame.sort_values(["wrong", "badness", "path"], ascending=[False, False, True]))
    return pd.concat(frames, ignore_index=True)
