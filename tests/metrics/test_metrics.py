"""Every built-in metric against an independent implementation, and what it says where it has no value."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu
from torchmetrics.functional.classification import (
    binary_average_precision,
    binary_calibration_error,
    binary_sensitivity_at_specificity,
)

from benchmarks.metrics.accuracy import acc, acc_best_threshold, acc_fake, acc_real, balanced_acc
from benchmarks.metrics.calibration import brier, ece
from benchmarks.metrics.ranking import ap, auroc, eer, tpr_at_fpr_1, tpr_at_fpr_5
from benchmarks.metrics.tally import MIN_PER_CLASS, CountedMetric, Undefined
from registry import load_plugins
from tests.metrics.samples import normal, samples

Sample = tuple[np.ndarray, np.ndarray]
BUILT_IN = [
    "acc",
    "acc_real",
    "acc_fake",
    "balanced_acc",
    "ap",
    "auroc",
    "eer",
    "tpr_at_fpr_1",
    "tpr_at_fpr_5",
    "acc_best_threshold",
    "ece",
    "brier",
    "cllr",
    "cllr_min",
]
EXACT = {"rel": 1e-12, "abs": 1e-12}


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_all_are_registered_in_the_order_of_the_file_format() -> None:
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    assert catalog.names() == BUILT_IN
    assert {e.name for e in catalog if not e.card.higher_is_better} == {
        "eer",
        "ece",
        "brier",
        "cllr",
        "cllr_min",
    }
    for entry in catalog:
        metric = entry.load()
        assert isinstance(metric, CountedMetric)
        assert metric.__doc__
        assert entry.card.summary


@given(samples())
def test_accuracies(sample: Sample) -> None:
    labels, logits = sample
    called = logits > 0
    assert acc(labels, logits) == pytest.approx(sk.accuracy_score(labels, called), **EXACT)
    assert acc_real(labels, logits) == pytest.approx(sk.recall_score(labels, called, pos_label=0), **EXACT)
    assert acc_fake(labels, logits) == pytest.approx(sk.recall_score(labels, called), **EXACT)
    expected = sk.balanced_accuracy_score(labels, called)
    assert balanced_acc(labels, logits) == pytest.approx(expected, **EXACT)


@given(samples())
def test_best_threshold_is_the_best_of_all_thresholds_tried_one_by_one(sample: Sample) -> None:
    labels, logits = sample
    thresholds = [-np.inf, *np.unique(logits), np.inf]
    tried = [sk.accuracy_score(labels, logits >= threshold) for threshold in thresholds]
    assert acc_best_threshold(labels, logits) == pytest.approx(max(tried), **EXACT)


@given(samples())
def test_average_precision(sample: Sample) -> None:
    labels, logits = sample
    assert ap(labels, logits) == pytest.approx(sk.average_precision_score(labels, logits), **EXACT)


@given(samples())
def test_auroc(sample: Sample) -> None:
    labels, logits = sample
    assert auroc(labels, logits) == pytest.approx(sk.roc_auc_score(labels, logits), **EXACT)
    fake, real = (logits[labels == kind].astype(float) for kind in (1, 0))
    statistic = mannwhitneyu(fake, real).statistic
    assert auroc(labels, logits) == pytest.approx(statistic / len(fake) / len(real), **EXACT)


@given(samples())
def test_eer_is_where_the_roc_polyline_meets_the_diagonal(sample: Sample) -> None:
    labels, logits = sample
    fpr, tpr, _ = sk.roc_curve(labels, logits, drop_intermediate=False)
    position = np.arange(len(fpr))

    def difference(at: float) -> float:
        return np.interp(at, position, fpr) + np.interp(at, position, tpr) - 1

    crossing = brentq(difference, 0, len(fpr) - 1, xtol=1e-13)
    assert eer(labels, logits) == pytest.approx(np.interp(crossing, position, fpr), abs=1e-9)


@pytest.mark.parametrize(("metric", "limit"), [(tpr_at_fpr_1, 0.01), (tpr_at_fpr_5, 0.05)])
@given(seed=st.integers(0, 2**32 - 1), levels=st.sampled_from([3, 20, 10_000]))
def test_hit_rate_at_a_bounded_false_alarm_rate(
    metric: CountedMetric, limit: float, seed: int, levels: int
) -> None:
    # enough real pictures are needed that drawing them one by one would take minutes
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [metric.real + rng.integers(0, 40), rng.integers(metric.fake, 60)])
    logits = (rng.integers(0, levels, len(labels)) + labels).astype(np.float32)
    fpr, tpr, _ = sk.roc_curve(labels, logits, drop_intermediate=False)
    assert metric(labels, logits) == pytest.approx(tpr[fpr <= limit + 1e-12].max(), **EXACT)


def test_three_false_alarms_of_three_hundred_are_one_percent() -> None:
    labels = np.repeat([0, 1], [300, 5])
    logits = np.concatenate([np.full(297, -1.0), [2.0] * 3, [2.0, 2.0, 2.0, 2.0, 1.0]]).astype(np.float32)
    assert tpr_at_fpr_1(labels, logits) == 1.0
    logits[296] = 2.0
    assert tpr_at_fpr_1(labels, logits) == 0.0


@given(samples())
def test_brier(sample: Sample) -> None:
    labels, logits = sample
    assert brier(labels, logits) == pytest.approx(sk.brier_score_loss(labels, sigmoid(logits)), abs=1e-12)


@given(samples())
def test_calibration_error_bin_by_bin(sample: Sample) -> None:
    labels, logits = sample
    score = sigmoid(logits)
    total = 0.0
    for low in range(15):
        inside = (score * 15 >= low) & ((score * 15 < low + 1) | (low == 14))
        if inside.any():
            total += inside.mean() * abs(labels[inside].mean() - score[inside].mean())
    assert ece(labels, logits) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_against_torchmetrics_on_random_data(seed: int) -> None:
    labels, logits = normal(300, 200, shift=1.5, seed=seed)
    target = torch.from_numpy(labels)
    score = torch.from_numpy(sigmoid(logits))
    assert ap(labels, logits) == pytest.approx(binary_average_precision(score, target).item(), abs=1e-6)
    expected = binary_calibration_error(score, target, n_bins=15, norm="l1").item()
    assert ece(labels, logits) == pytest.approx(expected, abs=1e-6)
    hit_rate, _ = binary_sensitivity_at_specificity(score, target, min_specificity=0.95)
    assert tpr_at_fpr_5(labels, logits) == pytest.approx(hit_rate.item(), abs=1e-6)


@given(samples())
def test_ranking_does_not_depend_on_the_scale_of_logits(sample: Sample) -> None:
    labels, logits = sample
    for metric in (ap, auroc, eer, acc_best_threshold):
        assert metric(labels, np.unique(logits, return_inverse=True)[1]) == metric(labels, logits)


def test_scores_that_saturate_still_rank() -> None:
    """float32 sigmoids of these all are 1.0: metrics read the logits."""
    labels = np.repeat([0, 1], 5)
    logits = np.arange(20, 30, dtype=np.float32) * 2
    assert auroc(labels, logits) == ap(labels, logits) == 1.0


def every() -> list[CountedMetric]:
    return [entry.load() for entry in load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics]


@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class_has_its_own_accuracy_and_nothing_else(label: int) -> None:
    labels, logits = np.full(200, label), np.linspace(-1, 3, 200, dtype=np.float32)
    alone = acc_fake if label else acc_real
    assert alone(labels, logits) == pytest.approx(((logits > 0) == label).mean())
    for metric in every():
        if metric is not alone:
            with pytest.raises(Undefined, match=f"0 {'real' if label else 'generated'} pictures, at least"):
                metric(labels, logits)


def test_too_few_pictures_of_a_class_give_no_number() -> None:
    labels = np.repeat([0, 1], [MIN_PER_CLASS - 1, 50])
    logits = np.linspace(-1, 1, len(labels), dtype=np.float32)
    for metric in every():
        if metric in (acc_real, acc_fake):
            assert 0 <= metric(labels, logits) <= 1
        else:
            with pytest.raises(Undefined, match="4 real pictures, at least"):
                metric(labels, logits)


def test_no_pictures_give_no_number() -> None:
    for metric in every():
        with pytest.raises(Undefined, match=r"0 \w+ pictures, at least"):
            metric(np.array([], dtype=int), np.array([], dtype=np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_give_no_number(value: float) -> None:
    labels, logits = normal(100, 100, shift=1, seed=0)
    logits[7] = value
    for metric in every():
        with pytest.raises(Undefined, match="1 of 200 logits are not finite"):
            metric(labels, logits)


def test_malformed_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(N,\), got \(2,\) and \(3,\)"):
        acc(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="labels must be 0"):
        acc(np.array([0, 2]), np.zeros(2))
