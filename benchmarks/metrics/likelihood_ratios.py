"""How far scores can be read as likelihood ratios: what a forensic report states instead of a decision.

The likelihood ratio (LR) of a picture is P(score | generated) / P(score | real). Read so, a logit is ln LR: the
odds that it gives at equal prior odds of both classes.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from benchmarks.metrics.intervals import Nothing, Positive
from benchmarks.metrics.tally import MIN_PER_CLASS, Floats, Tally, Undefined, counted, group
from registry.dataset import FAKE


@counted(interval=Positive())
def cllr(tally: Tally) -> Floats:
    """Log-likelihood-ratio cost of the logits read as ln LR, in bits. Lower is better; 1 is what LR = 1 always has.

    Half the mean of log2(1 + 1 / LR) over generated pictures plus half that of log2(1 + LR) over real ones (Brümmer and
    du Preez, "Application-independent evaluation of speaker detection", 2006). It does not depend on the shares of the
    classes, and has no upper bound: a single LR that is wrong by far costs its logarithm.
    """
    generated = tally.fake @ tally.of_logits(_cost_if_fake) / tally.n_fake
    real = tally.real @ tally.of_logits(_cost_if_real) / tally.n_real
    return (generated + real) / (2 * np.log(2))


def _cost_if_fake(logits: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, -logits))


def _cost_if_real(logits: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, logits))


@counted(
    interval=Nothing(
        "its calibration is the best on these very pictures, below what one would reach on others"
    )
)
def cllr_min(tally: Tally) -> Floats:
    """`cllr` of the best LRs that rise with the logit on these very pictures. Lower is better.

    Found by pooling adjacent violators (PAV), which sees the labels: what is left once calibration is perfect, so
    a lower bound and not deployable. `cllr` less this is the loss by calibration.
    """
    shape = tally.real.shape
    real = (tally.real / tally.n_real).reshape(-1, shape[-1])
    fake = (tally.fake / tally.n_fake).reshape(-1, shape[-1])
    return np.array([_pooled_cost(*both) for both in zip(real, fake, strict=True)]).reshape(shape[:-1])


def _pooled_cost(real: Floats, fake: Floats) -> float:
    """real, fake: (K,), shares of a class with each distinct logit, ascending."""
    there = real + fake > 0
    real, fake = real[there], fake[there]
    pooled = scipy.optimize.isotonic_regression(fake / (real + fake), weights=real + fake)
    # ends of the last block drop out: blocks go from one start to the next
    starts = pooled.blocks[:-1]
    real, fake = np.add.reduceat(real, starts), np.add.reduceat(fake, starts)
    # LR of a block is fake / real; x log2(1 + y / x) is 0 where x is
    both = real + fake
    cost = fake * np.log2(both / np.where(fake > 0, fake, both))
    cost += real * np.log2(both / np.where(real > 0, real, both))
    return float(cost.sum() / 2)


def fit_logistic(logits: Floats, labels: ArrayLike) -> tuple[Floats, float]:
    """Logistic regression of the label on D detectors' logits (N, D): weights (D,) and offset of ln LR.

    Both classes weigh the same however many pictures they have, so the prior odds are 1. An L2 penalty of strength 1
    on the weights of standardised logits keeps them finite where the classes do not overlap.

    Raises:
        Undefined: too few pictures of a class.
    """
    label = np.asarray(labels)
    counts = np.bincount(label, minlength=2)
    if counts.min() < MIN_PER_CLASS:
        raise Undefined(
            f"{counts[0]} real and {counts[1]} generated pictures, {MIN_PER_CLASS} of each are needed"
        )
    centre, spread = logits.mean(0), logits.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    fitted = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8, max_iter=1000)
    fitted.fit((logits - centre) / spread, label == FAKE)
    weights = fitted.coef_[0] / spread
    return weights, float(fitted.intercept_[0] - weights @ centre)


def calibration(labels: ArrayLike, logits: ArrayLike) -> tuple[float, float]:
    """Slope and offset that make ln LR of logits (N,), by `fit_logistic`; raises as it does."""
    _, _, label = group(labels, logits)
    weights, offset = fit_logistic(np.asarray(logits, dtype=float)[:, None], label)
    return float(weights[0]), offset
