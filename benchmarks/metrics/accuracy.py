"""Accuracies: how many pictures are called what they are, at logit > 0 unless said otherwise."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from benchmarks.metrics.intervals import Nothing, Rates
from benchmarks.metrics.tally import Floats, Tally, counted


def _right(tally: Tally) -> list[tuple[float, float]]:
    """(pictures called what they are, pictures) of the real and of the generated ones."""
    called = _called_real(tally), _called_fake(tally)
    return [(float(own.sum()), n) for own, n in zip(called, (tally.n_real, tally.n_fake), strict=True)]


def _of_all(tally: Tally) -> list[tuple[float, float, float]]:
    return [(n / (tally.n_real + tally.n_fake), k, n) for k, n in _right(tally)]


@counted(interval=Rates(_of_all))
def acc(tally: Tally) -> Floats:
    """Share of all pictures that are called what they are."""
    right = _called_real(tally).sum(-1) + _called_fake(tally).sum(-1)
    return right / (tally.n_real + tally.n_fake)


@counted(real=1, fake=0, interval=Rates(lambda tally: [(1.0, *_right(tally)[0])]))
def acc_real(tally: Tally) -> Floats:
    """Share of the real pictures that are called real (true-negative rate, specificity)."""
    return _called_real(tally).sum(-1) / tally.n_real


@counted(real=0, fake=1, interval=Rates(lambda tally: [(1.0, *_right(tally)[1])]))
def acc_fake(tally: Tally) -> Floats:
    """Share of the generated pictures that are called generated (true-positive rate, recall)."""
    return _called_fake(tally).sum(-1) / tally.n_fake


@counted(interval=Rates(lambda tally: [(0.5, k, n) for k, n in _right(tally)]))
def balanced_acc(tally: Tally) -> Floats:
    """Mean of `acc_real` and `acc_fake`: accuracy as if both classes had equally many pictures."""
    return (acc_real.of(tally) + acc_fake.of(tally)) / 2


@counted(
    interval=Nothing("it is the best of these very pictures, above what the threshold would reach on others")
)
def acc_best_threshold(tally: Tally) -> Floats:
    """Accuracy at the threshold that maximises it on these very pictures.

    It sees the labels, so it is not deployable: an upper bound that tells a shifted threshold from
    a missing signal. Thresholds above all and below all logits count too.
    """
    right = tally.hits + (tally.n_real - tally.false_alarms)
    return right.max(-1) / (tally.n_real + tally.n_fake)


def _called_real(tally: Tally) -> Floats:
    return tally.real[..., : _first_above_zero(tally)]


def _called_fake(tally: Tally) -> Floats:
    return tally.fake[..., _first_above_zero(tally) :]


def _first_above_zero(tally: Tally) -> int:
    return int(np.searchsorted(tally.logits, 0.0, side="right"))


@functools.cache
def best_threshold_by_chance(n_real: int, n_fake: int) -> float:
    """What pure noise loses to the threshold on average: how far accuracy at the best threshold lies above a constant answer.

    For logits without ties whose order says nothing of the labels. From above, labels are a random walk that goes up at
    generated and down at real pictures; with n_real reals it has n_real + (its maximum) pictures right, and that is at
    least k in C(N, n_real + k) of C(N, n_real) orders (reflection principle), or certainly where k ≤ n_fake − n_real.
    """
    pictures = n_real + n_fake
    ends = max(0, n_fake - n_real)
    k = np.arange(ends + 1, n_fake + 1)
    orders = _log_choose(pictures, n_real + k) - _log_choose(pictures, np.array(n_real))
    highest = ends + np.exp(orders).sum()
    return float((n_real + highest - max(n_real, n_fake)) / pictures)


def _log_choose(n: int, k: NDArray[Any]) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
