"""Cost of likelihood ratios: against the formula written out, scikit-learn's isotonic and logistic regressions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from sklearn.isotonic import IsotonicRegression

from benchmarks.metrics.bootstrap import generator, replicates
from benchmarks.metrics.likelihood_ratios import calibration, cllr, cllr_min
from benchmarks.metrics.tally import Undefined
from tests.metrics.samples import normal, samples


def cost(ratios_real: np.ndarray, ratios_fake: np.ndarray) -> float:
    """Brümmer and du Preez (2006), of likelihood ratios themselves."""
    with np.errstate(divide="ignore"):
        return float((np.log2(1 + ratios_real).mean() + np.log2(1 + 1 / ratios_fake).mean()) / 2)


def pooled_cost(labels: np.ndarray, logits: np.ndarray) -> float:
    """By scikit-learn's isotonic regression of the label, both classes weighed alike."""
    weights = 1 / np.bincount(labels)[labels]
    found = IsotonicRegression(y_min=0, y_max=1).fit(logits, labels, sample_weight=weights).predict(logits)
    with np.errstate(divide="ignore"):
        ratios = found / (1 - found)
    return cost(ratios[labels == 0], ratios[labels == 1])


@given(samples())
def test_cllr_is_the_formula(sample: tuple[np.ndarray, np.ndarray]) -> None:
    labels, logits = sample
    ratios = np.exp(logits.astype(float))
    assert cllr(labels, logits) == pytest.approx(cost(ratios[labels == 0], ratios[labels == 1]), rel=1e-9)


@given(samples())
def test_cllr_min_is_that_of_isotonic_regression(sample: tuple[np.ndarray, np.ndarray]) -> None:
    labels, logits = sample
    logits = logits.astype(float)
    found = cllr_min(labels, logits)
    assert found == pytest.approx(pooled_cost(labels, logits), abs=1e-6)
    assert -1e-12 <= found <= min(1, cllr(labels, logits)) + 1e-9
    # nothing but the order counts
    order = np.unique(logits, return_inverse=True)[1].astype(float)
    assert cllr_min(labels, order) == pytest.approx(found, abs=1e-12)


def test_known_values() -> None:
    labels = np.repeat([0, 1], 50)
    assert cllr(labels, np.zeros(100)) == pytest.approx(1)
    assert cllr_min(labels, np.zeros(100)) == pytest.approx(1)
    assert cllr_min(labels, labels * 2.0 - 1) == 0
    assert cllr(labels, (labels * 2.0 - 1) * np.log(3)) == pytest.approx(np.log2(4 / 3))
    # wrong for sure: 100 nats, not infinity
    assert cllr(labels, (labels * -2.0 + 1) * 100) == pytest.approx(100 / np.log(2))
    for metric in (cllr, cllr_min):
        with pytest.raises(Undefined, match="at least 5"):
            metric(labels[:52], np.zeros(52))


def test_both_on_every_resample() -> None:
    labels, logits = normal(40, 30, 2.0, seed=3)
    drawn = replicates({"c": cllr, "m": cllr_min}, labels, logits, 20, generator(0, "x"))
    rng = generator(0, "x")
    real, fake = (rng.integers(n, size=(20, n)) for n in (40, 30))
    for number in range(20):
        rows = np.concatenate([real[number], 40 + fake[number]])
        ratios = np.exp(logits[rows].astype(float))
        assert drawn["c"][number] == pytest.approx(cost(ratios[:40], ratios[40:]))
        assert drawn["m"][number] == pytest.approx(
            pooled_cost(labels[rows], logits[rows].astype(float)), abs=1e-6
        )


@pytest.mark.parametrize("shift", [0.0, 1.5, 40.0])
def test_calibration_is_the_penalised_regression_of_balanced_classes(shift: float) -> None:
    labels, logits = normal(150, 60, shift, seed=1)
    x = (logits - logits.mean(dtype=float)) / logits.std(dtype=float)
    weights = len(x) / (2 * np.bincount(labels)[labels])

    def loss(parameters: np.ndarray) -> float:
        slope, offset = parameters
        misses = np.logaddexp(0, np.where(labels == 1, -1, 1) * (slope * x + offset))
        return float(weights @ misses + slope**2 / 2)

    best = scipy.optimize.minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-7}).x
    slope, offset = calibration(labels, logits)
    wanted = best[0] * x + best[1]
    assert slope * logits.astype(float) + offset == pytest.approx(wanted, abs=2e-3)


def test_calibration_mends_logits_that_are_off() -> None:
    labels, logits = normal(400, 400, 2.0, seed=5)
    wrong = 30 * logits.astype(float) + 7
    slope, offset = calibration(labels, wrong)
    assert cllr(labels, wrong) > 5
    assert cllr(labels, slope * wrong + offset) == pytest.approx(cllr_min(labels, wrong), abs=0.03)
