"""Intervals against independent implementations and definitions written out; when there is none, and why."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from statsmodels.stats.proportion import proportion_confint

from benchmarks.metrics.accuracy import (
    acc,
    acc_best_threshold,
    acc_fake,
    acc_real,
    balanced_acc,
    best_threshold_by_chance,
)
from benchmarks.metrics.bootstrap import generator
from benchmarks.metrics.calibration import brier, ece
from benchmarks.metrics.cell import Measurement, measure
from benchmarks.metrics.intervals import (
    PERCENTILE,
    Limits,
    NoInterval,
    combined,
    exact,
    way_of,
    wilson,
)
from benchmarks.metrics.means import mean_estimate
from benchmarks.metrics.ranking import ap, auroc, eer, tpr_at_fpr_1, tpr_at_fpr_5
from registry import load_plugins
from tests.metrics.samples import normal, samples

Sample = tuple[np.ndarray, np.ndarray]


def measured(labels: np.ndarray, logits: np.ndarray, resamples: int = 200) -> Measurement:
    metrics = {entry.name: entry.load() for entry in load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics}
    return measure(metrics, labels, logits, resamples, generator(0, "set"))


def test_rates_are_those_of_scipy_and_statsmodels() -> None:
    for k, n in ((0, 7), (3, 7), (7, 7), (190, 200)):
        found = exact(k, n)
        expected = scipy.stats.binomtest(k, n).proportion_ci(method="exact")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        bounds = wilson(k / n, n, scipy.stats.norm.ppf(0.975))
        assert bounds == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_costs_have_students_t_on_the_logarithm() -> None:
    """Against the standard error of the two classes' mean costs, which resamples estimate."""
    labels, logits = normal(30, 30, shift=2, seed=4)
    found = measured(labels, logits, resamples=4000).estimates["cllr"]
    costs = np.log2(1 + np.exp(np.where(labels == 1, -logits, logits).astype(float)))
    value = (costs[:30].mean() + costs[30:].mean()) / 2
    error = np.hypot(scipy.stats.sem(costs[:30]), scipy.stats.sem(costs[30:])) / 2
    low, high = np.exp(scipy.stats.t.interval(0.95, 29, np.log(value), error / value))
    assert (found.centre, found.low, found.high) == pytest.approx((value, low, high), rel=0.02)


def test_accuracies_add_the_limits_of_both_classes() -> None:
    labels, logits = normal(30, 90, shift=2, seed=4)
    called = logits > 0
    real, fake = (
        {"p": k / n, **scipy.stats.binomtest(k, n).proportion_ci()._asdict()}
        for k, n in ((int((called == kind)[labels == kind].sum()), (labels == kind).sum()) for kind in (0, 1))
    )
    found = measured(labels, logits)
    for name, weights in (("acc", (0.25, 0.75)), ("balanced_acc", (0.5, 0.5))):
        value = found.values[name]
        below, above = (
            np.sqrt(
                sum((w * (one["p"] - one[end])) ** 2 for w, one in zip(weights, (real, fake), strict=True))
            )
            for end in ("low", "high")
        )
        assert found.intervals[name] == pytest.approx((value - below, value + above), abs=1e-12)
    assert found.intervals["acc_real"] == pytest.approx((real["low"], real["high"]), abs=1e-12)
    assert found.intervals["acc_fake"] == pytest.approx((fake["low"], fake["high"]), abs=1e-12)


def test_auroc_has_the_variance_written_out() -> None:
    labels, logits = normal(70, 50, shift=1, seed=2)
    real, fake = (logits[labels == kind].astype(float) for kind in (0, 1))
    wins = (fake[:, None] > real) + (fake[:, None] == real) / 2
    variance = wins.mean(1).var(ddof=1) / 50 + wins.mean(0).var(ddof=1) / 70
    area = wins.mean()
    expected = wilson(area, area * (1 - area) / variance, scipy.stats.t.ppf(0.975, 49))
    assert measured(labels, logits).intervals["auroc"] == pytest.approx(expected, abs=1e-12)


def test_ap_has_the_variance_and_the_bias_of_its_resamples() -> None:
    labels, logits = normal(150, 100, shift=1, seed=2)
    found = measured(labels, logits)
    drawn = found.replicates["ap"]
    value = 2 * (found.values["ap"] or 0) - drawn.mean()
    size = value * (1 - value) / drawn.var(ddof=1)
    expected = wilson(value, size, scipy.stats.t.ppf(0.975, 99))
    assert found.intervals["ap"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "percent", "n_real"), [(tpr_at_fpr_5, 5, 72), (tpr_at_fpr_5, 5, 300), (tpr_at_fpr_1, 1, 400)]
)
def test_a_rate_at_a_false_positive_rate_moves_with_the_threshold(
    metric: object, percent: int, n_real: int
) -> None:
    labels, logits = normal(n_real, 60, shift=3, seed=1)
    real, fake = np.sort(logits[labels == 0])[::-1], logits[labels == 1]
    chance = scipy.stats.binom.cdf(np.arange(n_real + 1), n_real, percent / 100)
    fewest = int((chance < 0.025).sum())
    most = int((chance < 0.975).sum()) + 1
    ends = float((fake > real[fewest - 1]).mean()), float((fake >= real[most - 1]).mean())
    assert chance[fewest - 1] < 0.025 <= chance[fewest], "the threshold is below this picture often enough"
    assert chance[most - 1] >= 0.975
    value = float(metric(labels, logits))  # type: ignore[operator]
    own = scipy.stats.binomtest(round(value * 60), 60).proportion_ci()
    low = value - np.hypot(value - own.low, value - min(value, ends[0]))
    high = value + np.hypot(own.high - value, max(value, ends[1]) - value)
    found = measure({"m": metric}, labels, logits, 5, generator(0, "set")).intervals["m"]  # type: ignore[dict-item]
    assert found == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 6.0])
def test_a_rate_at_a_false_positive_rate_stays_within_0_and_1(shift: float) -> None:
    found = measure({"m": tpr_at_fpr_5}, *normal(100, 50, shift, seed=3), 5, generator(0, "set")).intervals[
        "m"
    ]
    assert found is not None
    assert 0 <= found[0] < found[1] <= 1


@given(samples(real=10, fake=10))
def test_intervals_hold_the_value_and_stay_within_0_and_1(sample: Sample) -> None:
    found = measured(*sample, resamples=20)
    known = {name: one for name, one in found.estimates.items() if name != "cllr"}  # it has no bound
    for name, one in known.items():
        assert 0 <= one.low <= one.centre <= one.high <= 1, name
        assert one.low < one.high, f"{name}: nobody knows it exactly"
    assert set(found.estimates) | set(found.no_interval) | set(found.undefined) == set(found.values)
    assert {"acc", "auroc", "eer", "brier"} <= set(found.estimates)


def test_classes_that_are_separated_are_no_certainty() -> None:
    labels = np.repeat([0, 1], 100)
    found = measured(labels, np.where(labels, 3.0, -3.0).astype(np.float32) + np.arange(200) / 1000)
    for name in ("acc", "ap", "auroc"):
        low, high = found.intervals[name] or (1, 1)
        assert 0.90 < low < 0.975, name
        assert high == 1


def test_metrics_that_have_none_say_why() -> None:
    found = measured(*normal(100, 100, shift=1, seed=0))
    assert "best of these very pictures" in found.no_interval["acc_best_threshold"]
    assert "biased upwards" in found.no_interval["ece"]
    assert found.no_interval["tpr_at_fpr_1"] == "100 real pictures, at least 368 are needed for an interval"
    assert set(found.no_interval) == {"acc_best_threshold", "ece", "cllr_min", "tpr_at_fpr_1"}
    assert found.intervals["ece"] is None
    assert found.values["ece"] is not None


def test_fewest_pictures() -> None:
    assert {metric: (way_of(m).real, way_of(m).fake) for metric, m in {
        "acc": acc, "acc_real": acc_real, "acc_fake": acc_fake, "balanced_acc": balanced_acc, "ap": ap, "auroc": auroc,
        "eer": eer, "brier": brier, "tpr_at_fpr_1": tpr_at_fpr_1, "tpr_at_fpr_5": tpr_at_fpr_5,
    }.items()} == {
        "acc": (1, 1), "acc_real": (1, 1), "acc_fake": (1, 1), "balanced_acc": (1, 1), "ap": (100, 100), "auroc": (10, 10),
        "eer": (10, 10), "brier": (10, 10), "tpr_at_fpr_1": (368, 5), "tpr_at_fpr_5": (72, 5),
    }  # fmt: skip
    few = measured(*normal(9, 12, shift=1, seed=0))
    assert few.no_interval["auroc"] == "9 real pictures, at least 10 are needed for an interval"
    assert few.intervals["acc"] is not None
    alone = measure({"acc_real": acc_real}, np.zeros(4), np.arange(4) - 1.5, 5, generator(0, "a"))
    assert alone.intervals["acc_real"] is not None


def test_a_strangers_metric_keeps_the_percentile_bootstrap() -> None:
    labels, logits = normal(40, 40, shift=1, seed=0)
    found = measure({"gap": lambda y, x: float(x[y == 1].mean())}, labels, logits, 300, generator(0, "a"))
    assert found.intervals["gap"] == pytest.approx(
        tuple(np.quantile(found.replicates["gap"], (0.025, 0.975)))
    )
    assert not way_of(lambda y, x: 0.0).measured
    assert way_of(auroc).measured
    few = measure({"gap": lambda y, x: 1.0}, labels[36:], logits[36:], 20, generator(0, "a"))
    assert few.no_interval["gap"].startswith("4 real pictures, at least 5")


def test_limits_of_a_sum() -> None:
    one, other = Limits(0.5, 0.4, 0.7), Limits(0.9, 0.6, 1.0)
    half = np.array([0.5, 0.5])
    apart = combined([one, other], half)
    assert (apart.low, apart.high) == pytest.approx((0.7 - np.hypot(0.05, 0.15), 0.7 + np.hypot(0.1, 0.05)))
    together = combined([one, other], half, np.ones((2, 2)))
    assert (together.low, together.high) == pytest.approx((0.5, 0.85))


def cells(n: int, shares: bool, same: bool) -> list[Measurement]:
    labels = np.repeat([0, 1], 60)
    found = []
    for number in range(n):
        logits = np.random.default_rng(0 if same else number).normal(labels).astype(np.float32)
        rng = generator(0, "same" if same else f"set {number}")
        one = measure({"auroc": auroc, "ece": ece}, labels, logits, 400, rng)
        found.append(
            Measurement(one.values, one.undefined, one.estimates, one.no_interval, one.replicates, shares)
        )
    return found


def test_a_mean_of_one_set_has_its_interval_and_of_many_a_narrower_one() -> None:
    (alone,) = cells(1, False, False)
    way = way_of(auroc)
    found = mean_estimate("auroc", way, [alone])
    assert found is not None
    assert (found.low, found.high) == pytest.approx(alone.intervals["auroc"])
    width = found.high - found.low
    apart, again, drawn = (
        mean_estimate("auroc", way, cells(4, *how)) for how in ((False, True), (True, True), (True, False))
    )
    assert apart
    assert again
    assert drawn
    assert apart.high - apart.low == pytest.approx(width / 2)
    assert again.high - again.low == pytest.approx(width), "the same pictures four times"
    assert drawn.high - drawn.low == pytest.approx(width / 2, rel=0.15)


def test_a_mean_says_why_it_has_none() -> None:
    members = cells(2, False, False)
    with pytest.raises(NoInterval, match="biased upwards"):
        mean_estimate("ece", way_of(ece), members)
    few = measure({"auroc": auroc}, *normal(8, 60, 1, 0), 20, generator(0, "a"))
    with pytest.raises(NoInterval, match=r"8 real pictures, .* \(on 1 of 3 test sets\)"):
        mean_estimate("auroc", way_of(auroc), [*members, few])
    without = measure({"auroc": auroc}, *normal(60, 60, 1, 0), 0, generator(0, "a"))
    assert mean_estimate("auroc", way_of(auroc), [without]) is None
    assert without.no_interval == {}


def test_the_mean_of_a_strangers_metric_is_that_of_its_resamples() -> None:
    found = mean_estimate("auroc", PERCENTILE, members := cells(3, False, False))
    drawn = np.mean([one.replicates["auroc"] for one in members], axis=0)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))


@pytest.mark.parametrize(("n_real", "n_fake"), [(4, 5), (5, 4), (5, 5), (6, 5)])
def test_what_noise_loses_to_the_threshold_is_the_mean_over_all_orders(n_real: int, n_fake: int) -> None:
    pictures = n_real + n_fake
    best = []
    for places in combinations(range(pictures), n_fake):
        labels = np.zeros(pictures, int)
        labels[list(places)] = 1
        correct = [(labels[:cut] == 0).sum() + (labels[cut:] == 1).sum() for cut in range(pictures + 1)]
        best.append(max(correct) / pictures)
        if min(n_real, n_fake) >= 5 and len(best) % 50 == 1:
            assert acc_best_threshold(labels, np.arange(pictures)) == pytest.approx(best[-1])
    expected = np.mean(best) - max(n_real, n_fake) / pictures
    assert best_threshold_by_chance(n_real, n_fake) == pytest.approx(expected, abs=1e-12)


def test_noise_loses_less_on_more_pictures() -> None:
    levels = [best_threshold_by_chance(n, n) for n in (20, 100, 1000, 100_000)]
    assert levels == sorted(levels, reverse=True)
    assert levels[1] == pytest.approx((np.sqrt(np.pi * 100) - 1) / 2 / 200, rel=0.01)
