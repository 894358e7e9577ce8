"""Means and differences over trainings by several seeds: the formula, and that intervals and tests hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from benchmarks.metrics.intervals import Limits, exact
from benchmarks.metrics.over_seeds import difference_over_seeds, interval_over_seeds, over_seeds, spread_of

PICTURES, SEEDS, RESAMPLES = 150, 5, 150
SEPARATION, COMMON = 0.8, 0.6
"""Of the simulated detectors; the share of a picture's difficulty that all trainings have in common."""


def test_variance_is_that_of_seeds_and_the_covariance_of_pictures():
    """Against the published sums, written out."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(7, 500)) + rng.normal(size=500)
    first, second = rng.normal(size=3), rng.normal(size=4)
    cov = [[float(((a - a.mean()) * (b - b.mean())).sum() / 499) for b in drawn] for a in drawn]
    within_first = np.mean([cov[i][j] for i in range(3) for j in range(3) if i != j])
    within_second = np.mean([cov[i][j] for i in range(3, 7) for j in range(3, 7) if i != j])
    between = np.mean([cov[i][j] for i in range(3) for j in range(3, 7)])
    seeds = [np.var(first, ddof=1) / 3, np.var(second, ddof=1) / 4]

    both = difference_over_seeds(first, second, drawn)
    assert both.variance == pytest.approx(sum(seeds) + within_first + within_second - 2 * between)
    assert both.degrees == pytest.approx(both.variance**2 / (seeds[0] ** 2 / 2 + seeds[1] ** 2 / 3))
    t = scipy.stats.t(both.degrees)
    assert both.p == pytest.approx(2 * t.sf(abs(first.mean() - second.mean()) / both.variance**0.5))
    low, high = both.interval(0.9)
    assert [low, high] == pytest.approx(both.value + np.array([-1, 1]) * t.ppf(0.95) * both.variance**0.5)


def test_limits_of_a_mean_add_seeds_and_pictures_in_squares():
    """Written out: lower distances 1, 2, 3, upper ones 2, 2, 2, and correlations of the replicates."""
    drawn = np.random.default_rng(2).normal(size=(3, 300)) + np.random.default_rng(3).normal(size=300)
    values = np.array([10.0, 12.0, 17.0])
    found = interval_over_seeds(
        [Limits(v, v - low, v + 2) for v, low in zip(values, (1, 2, 3), strict=True)], drawn
    )
    r = np.corrcoef(drawn)
    seeds = scipy.stats.t(2).ppf(0.975) ** 2 * values.var(ddof=1) / 3
    below = (14 + 2 * (2 * r[0, 1] + 3 * r[0, 2] + 6 * r[1, 2])) / 9
    above = 4 * (3 + 2 * (r[0, 1] + r[0, 2] + r[1, 2])) / 9
    expected = [13, 13 - (seeds + below) ** 0.5, 13 + (seeds + above) ** 0.5]
    assert [found.centre, found.low, found.high] == pytest.approx(expected)


def test_two_single_trainings_have_the_chance_of_pictures_alone():
    drawn = np.random.default_rng(1).normal(size=(2, 400))
    found = difference_over_seeds(np.array([0.7]), np.array([0.6]), drawn)
    assert found.variance == pytest.approx((drawn[0] - drawn[1]).var(ddof=1))
    assert found.degrees == np.inf
    assert difference_over_seeds(np.array([0.7]), np.array([0.7]), drawn).p == 1


def simulated(rng: np.random.Generator, detectors: int, spread: float, common: np.ndarray):
    """Rightness (detectors × SEEDS, PICTURES) of trainings: seed and picture decide, some of the latter for all alike."""
    trainings = detectors * SEEDS
    skill = SEPARATION + spread * rng.normal(size=(trainings, 1))
    own = rng.normal(size=(trainings, PICTURES))
    return skill + COMMON**0.5 * common + (1 - COMMON) ** 0.5 * own > 0


def resampled(rng: np.random.Generator, right: np.ndarray) -> np.ndarray:
    counts = rng.multinomial(PICTURES, np.full(PICTURES, 1 / PICTURES), size=RESAMPLES)
    return right @ counts.T / PICTURES


@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_intervals_cover_and_equal_detectors_seldom_differ(spread):
    """Accuracy over 5 seeds on 150 pictures: 95 % intervals and tests at 5 %, 600 samples of both seeds and pictures.

    Tests that take the trainings for fixed, as the paired bootstrap over pictures does, are wrong where seeds matter.
    """
    rng = np.random.default_rng(0)
    truth = scipy.stats.norm.cdf(SEPARATION / (1 + spread**2) ** 0.5)
    samples, covered, differ, differ_for_pictures = 600, 0, 0, 0
    for _ in range(samples):
        right = simulated(rng, 2, spread, rng.normal(size=PICTURES))
        values, drawn = right.mean(1), resampled(rng, right)
        own = [exact(count, PICTURES) for count in right[:SEEDS].sum(1)]
        found = interval_over_seeds(own, drawn[:SEEDS])
        covered += found.low <= truth <= found.high
        differ += difference_over_seeds(values[:SEEDS], values[SEEDS:], drawn).p < 0.05
        difference = drawn[:SEEDS].mean(0) - drawn[SEEDS:].mean(0)
        z = (values[:SEEDS].mean() - values[SEEDS:].mean()) / difference.std(ddof=1)
        differ_for_pictures += abs(z) > 1.96
    assert covered / samples >= 0.9
    assert differ / samples <= 0.07
    if spread >= 0.4:
        assert differ_for_pictures / samples > 0.3


def test_a_group_has_mean_spread_and_what_is_lacking():
    members = [
        {
            "detector": f"d seed {seed}", "status": status, "reason": reason, "untrained": False,
            "n_real": n, "n_fake": 9, "n_error": 9 - n,
            "metrics": {"ap": ap, "eer": eer}, "ci": {"ap": [0, 1], "eer": None}, "undefined": {},
        }
        for seed, ap, eer, status, reason, n in (
            (3, 0.8, None, "complete", "eer: one class", 9), (5, 0.6, 0.2, "partial", "1 failed", 8)
        )
    ]  # fmt: skip
    drawn = [{"ap": np.random.default_rng(seed).normal(size=50)} for seed in (0, 1)]
    found = over_seeds("d", [3, 5], members, drawn)
    assert (found["detector"], found["seeds"], found["status"]) == ("d", [3, 5], "partial")
    assert found["reason"] == "seed 5: 1 failed"
    assert (found["n_real"], found["n_fake"], found["n_error"]) == (8, 9, 1)
    assert found["metrics"] == {"ap": pytest.approx(0.7), "eer": None}
    assert found["spread"]["ap"] == {
        "standard_deviation": pytest.approx(0.2 / 2**0.5), "lowest": 0.6, "highest": 0.8,
    }  # fmt: skip
    assert found["undefined"] == {"eer": "undefined with seed 3"}
    limits = interval_over_seeds(
        [Limits(0.8, 0, 1), Limits(0.6, 0, 1)], np.stack([one["ap"] for one in drawn])
    )
    assert found["ci"]["ap"] == pytest.approx([limits.low, limits.high])


def test_one_training_has_no_spread():
    assert spread_of([0.5]) is None
    assert spread_of([0.5, None]) is None
