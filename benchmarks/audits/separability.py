"""Can two classes be told apart by a few columns? Cross-validated, and tested against permuted labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedKFold

FOLDS = 5
SMOOTHING = 1.0
_CHUNK_CELLS = 20_000_000


@dataclass(frozen=True)
class Separation:
    """auroc: cross-validated, of labels from the columns. p_value: adjusted for all cues tested together."""

    auroc: float
    p_value: float


def separate(
    designs: Mapping[str, tuple[np.ndarray, np.ndarray]], labels: np.ndarray, permutations: int, seed: int
) -> dict[str, Separation]:
    """Test every cue of one test set.

    designs: cue → (0/1 columns (m, k), indices (m,) of the pictures they describe).
    labels: (n,) of 0 and 1, at least two of each.

    The classifier is naive Bayes on the columns, fitted on all folds but one and scored on that one; the
    AUROC is the mean over folds. Its null distribution comes from permuting the labels within the folds,
    the same permutation for all cues. p-values are adjusted for the number of cues by the distribution of
    the largest standardised AUROC (Westfall and Young 1993, single-step maxT), so the chance of one or
    more false alarms among all cues of the set is at most the level that they are compared with.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    folds = _folds(labels, rng)
    permuted = _permuted(labels, folds, permutations, rng)
    names = list(designs)
    aurocs = np.stack(
        [cross_validated_auroc(columns, permuted[index], folds[index]) for columns, index in designs.values()]
    )
    observed, null = aurocs[:, 0], aurocs[:, 1:]
    spread = null.std(axis=1)
    # a cue that is the same for all pictures has no spread and no deviation
    scale = np.where(spread > 0, spread, 1.0)
    largest = ((null - 0.5) / scale[:, None]).max(axis=0)
    standardised = (observed - 0.5) / scale
    exceeded = (largest[None] >= standardised[:, None] - 1e-9).sum(axis=1)
    p_values = (1 + exceeded) / (1 + permutations)
    return {
        name: Separation(float(auroc), float(p))
        for name, auroc, p in zip(names, observed, p_values, strict=True)
    }


def _folds(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = min(FOLDS, *np.bincount(labels, minlength=2).tolist())
    splitter = StratifiedKFold(count, shuffle=True, random_state=int(rng.integers(1 << 31)))
    folds = np.empty(len(labels), int)
    for number, (_, test) in enumerate(splitter.split(labels, labels)):
        folds[test] = number
    return folds


def _permuted(labels: np.ndarray, folds: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 1 + count): the labels, then permutations of them within folds, which keep the folds stratified."""
    result = np.empty((len(labels), 1 + count), np.float32)
    result[:, 0] = labels
    for number in np.unique(folds):
        members = np.flatnonzero(folds == number)
        repeated = np.repeat(labels[members][:, None], count, axis=1)
        result[members, 1:] = rng.permuted(repeated, axis=0)
    return result


def cross_validated_auroc(columns: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Mean AUROC over folds of naive Bayes, for many label vectors at once.

    columns: (n, k) of 0 and 1. labels: (n, p), one label vector per column. folds: (n,) fold numbers.

    Returns:
        (p,) AUROCs; a fold whose test pictures have one label counts as 0.5.
    """
    chunk = max(1, _CHUNK_CELLS // max(1, len(columns)))
    parts = [
        _auroc_of_chunk(columns, labels[:, start : start + chunk], folds)
        for start in range(0, labels.shape[1], chunk)
    ]
    return np.concatenate(parts)


def _auroc_of_chunk(columns: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    results = []
    for number in np.unique(folds):
        test = folds == number
        train = ~test
        fake = columns[train].T @ labels[train]
        real = columns[train].sum(axis=0)[:, None] - fake
        evidence = np.log(fake + SMOOTHING) - np.log(real + SMOOTHING)
        results.append(_auroc(columns[test] @ evidence, labels[test]))
    return np.mean(results, axis=0)


def _auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUROC of each column, ties counting half; 0.5 where there is one class only."""
    # sums in float32 differ in their last bits by order, which would break ties at random
    ranks = rankdata(np.round(scores, 4), axis=0)
    positives = labels.sum(axis=0)
    pairs = positives * (len(labels) - positives)
    rank_sum = (ranks * labels).sum(axis=0) - positives * (positives + 1) / 2
    return np.where(pairs > 0, rank_sum / np.maximum(pairs, 1), 0.5)
