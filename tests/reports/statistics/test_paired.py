"""Paired tests against statsmodels, against definitions written out, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from benchmarks.metrics.bootstrap import generator, replicates
from benchmarks.metrics.calibration import ece
from benchmarks.metrics.delong import delong
from benchmarks.metrics.intervals import way_of
from benchmarks.metrics.ranking import ap, tpr_at_fpr_1
from benchmarks.metrics.ranking import auroc as metric
from benchmarks.reports.statistics.paired import (
    bootstrap_p,
    can_be_tested,
    delong_p,
    difference_has_interval,
    difference_interval,
    holm,
    mcnemar,
)


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_mcnemar(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.random((3, n)) < rng.random((3, 1))
    found = mcnemar(right)
    for a in range(3):
        for b in range(3):
            table = [[np.sum((right[a] == x) & (right[b] == y)) for y in (1, 0)] for x in (1, 0)]
            assert found[a, b] == pytest.approx(reference_mcnemar(table, exact=True).pvalue, abs=1e-9)


def components(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components as the paper writes them, pair by pair."""
    fake, real = logits[labels == 1], logits[labels == 0]
    psi = (fake[:, None] > real[None, :]) + 0.5 * (fake[:, None] == real[None, :])
    return psi.mean(1), psi.mean(0)


@pytest.mark.parametrize("seed", range(4))
def test_delong_is_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [40, 25])
    logits = (rng.normal(size=(3, 65)) + labels * [[0.2], [1.0], [2.0]]).round(1)
    auroc, covariance = delong(labels, logits)
    for d in range(3):
        assert auroc[d] == pytest.approx(sk.roc_auc_score(labels, logits[d]), abs=1e-12)
    parts = [components(labels, row) for row in logits]
    expected = np.cov([v10 for v10, _ in parts]) / 25 + np.cov([v01 for _, v01 in parts]) / 40
    np.testing.assert_allclose(covariance, expected, atol=1e-14)


def test_delong_keeps_its_level_where_there_is_no_difference() -> None:
    """400 draws of two equally good, correlated detectors: about 5 % have p < 0.05."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [80, 80])
    common = rng.normal(size=(400, 1, 160))
    draws = labels + common + rng.normal(size=(400, 2, 160))
    p = np.array([delong_p(*delong(labels, pair))[0, 1] for pair in draws])
    assert 0.025 < (p < 0.05).mean() < 0.085
    assert 0.4 < (p < 0.5).mean() < 0.6


def test_delong_where_nothing_varies() -> None:
    labels = np.repeat([0, 1], 5)
    perfect, constant = np.arange(10.0), np.zeros(10)
    p = delong_p(*delong(labels, np.stack([perfect, perfect * 2, constant])))
    assert p[0, 1] == p[2, 2] == 1.0
    assert np.isnan(p[0, 2])


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5])
def test_bootstrap_p_agrees_with_delong(shift: float) -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [150, 150])
    common = rng.normal(size=300)
    logits = labels + common + rng.normal(size=(2, 300)) + labels * [[0.0], [shift]]
    auroc, covariance = delong(labels, logits)
    values = [
        replicates({"auroc": metric}, labels, row, 4000, generator(0, "set"))["auroc"] for row in logits
    ]
    found = bootstrap_p(auroc[0] - auroc[1], values[0] - values[1], way_of(metric), 150)
    z_found, z_delong = scipy.stats.norm.isf([found / 2, delong_p(auroc, covariance)[0, 1] / 2])
    assert z_found == pytest.approx(z_delong, rel=0.06)


def test_bootstrap_p_where_nothing_varies() -> None:
    found = bootstrap_p(np.array([0.0, 0.3]), np.array([[0.0] * 9, [0.3] * 9]), way_of(metric), 20)
    assert found[0] == 1.0
    assert np.isnan(found[1])


@pytest.mark.parametrize(("name", "pictures"), [(metric, 12), (ap, 48)])
def test_bootstrap_p_and_interval_are_those_of_a_t_test(name: object, pictures: int) -> None:
    """Of means, whose resamples have a known spread: (n - 1) / n of that of a paired t-test; AP's pictures count a quarter."""
    drawn = np.random.default_rng(0).normal(0.4, 1, 12)
    spread = drawn.std() / 12**0.5
    replicated = drawn.mean() + spread * np.sqrt(1 / 2) * np.array(
        [1.0, -1.0]
    )  # of exactly this standard deviation
    reference = scipy.stats.ttest_1samp(drawn, 0)
    assert bootstrap_p(np.asarray(drawn.mean()), replicated, way_of(name), pictures) == pytest.approx(
        reference.pvalue
    )
    limits = reference.confidence_interval(0.95)
    found = difference_interval(np.asarray(drawn.mean()), replicated, way_of(name), pictures)
    assert [float(one) for one in found] == pytest.approx([limits.low, limits.high])


def test_differences_have_intervals_where_they_cover() -> None:
    assert not difference_has_interval(way_of(metric), 99)
    assert difference_has_interval(way_of(metric), 100)
    assert not difference_has_interval(way_of(tpr_at_fpr_1), 367), "as the metric itself"
    assert not difference_has_interval(way_of(ece), 1000)
    assert [can_be_tested(way_of(tpr_at_fpr_1), n) for n in (367, 368)] == [False, True]
    assert can_be_tested(way_of(metric), 10)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm(count: int) -> None:
    # few examples: each call of the reference collects garbage
    p = (np.random.default_rng(count).random(count) ** 3).round(2)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


def test_holm_leaves_an_unknown_p_unknown() -> None:
    found = holm(np.array([0.01, np.nan, 0.02]))
    assert found[0] == pytest.approx(0.03)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(0.04)
