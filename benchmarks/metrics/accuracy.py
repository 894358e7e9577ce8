"""Accuracies: how many pictures are called what they are, at logit > 0 unless said otherwise."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.tally import Floats, Tally, counted


@counted()
def acc(tally: Tally) -> Floats:
    """Share of all pictures that are called what they are."""
    right = _called_real(tally).sum(-1) + _called_fake(tally).sum(-1)
    return right / (tally.n_real + tally.n_fake)


@counted(real=1, fake=0)
def acc_real(tally: Tally) -> Floats:
    """Share of the real pictures that are called real (true-negative rate, specificity)."""
    return _called_real(tally).sum(-1) / tally.n_real


@counted(real=0, fake=1)
def acc_fake(tally: Tally) -> Floats:
    """Share of the generated pictures that are called generated (true-positive rate, recall)."""
    return _called_fake(tally).sum(-1) / tally.n_fake


@counted()
def balanced_acc(tally: Tally) -> Floats:
    """Mean of `acc_real` and `acc_fake`: accuracy as if both classes had equally many pictures."""
    return (acc_real.of(tally) + acc_fake.of(tally)) / 2


@counted()
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
