"""Bootstrap replicates against a naive loop over the same draws, and percentile intervals against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk

from benchmarks.metrics import bootstrap
from benchmarks.metrics.bootstrap import Metric, generator, replicates
from benchmarks.metrics.intervals import PERCENTILE, NoInterval, Resampled
from benchmarks.metrics.tally import Tally
from registry import load_plugins
from tests.metrics.samples import normal


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    return {entry.name: entry.load() for entry in load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics}


def plain(metric: Metric) -> Metric:
    """The same metric as a stranger would write it: a function and nothing more."""
    return lambda labels, logits: metric(labels, logits)


@pytest.mark.parametrize("chunk", [1, 3 * 220, 1 << 18])
def test_counting_equals_resampling_one_by_one(
    metrics: dict[str, Metric], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_CHUNK", chunk)
    labels, logits = normal(120, 100, shift=1, seed=3)
    fast = replicates(metrics, labels, logits, 25, generator(7, "set"))
    slow = replicates({n: plain(m) for n, m in metrics.items()}, labels, logits, 25, generator(7, "set"))
    for name in metrics:
        assert fast[name].shape == (25,)
        np.testing.assert_allclose(fast[name], slow[name], rtol=0, atol=1e-12, err_msg=name)
    assert np.ptp(fast["auroc"]) > 0


def test_each_resample_keeps_the_size_of_both_classes() -> None:
    labels, logits = normal(30, 11, shift=1, seed=0)
    sizes = replicates(
        {"n": lambda y, x: 1000 * (y == 0).sum() + y.sum()}, labels, logits, 50, generator(0, "a")
    )
    assert set(sizes["n"]) == {30_011.0}


@pytest.mark.parametrize("name", ["auroc", "ap", "acc"])
def test_intervals_agree_with_scipy(metrics: dict[str, Metric], name: str) -> None:
    labels, logits = normal(150, 100, shift=1, seed=5)
    reference = {
        "auroc": sk.roc_auc_score,
        "ap": sk.average_precision_score,
        "acc": lambda y, x: sk.accuracy_score(y, x > 0),
    }[name]

    def statistic(real: np.ndarray, fake: np.ndarray) -> float:
        return reference(np.repeat([0, 1], [len(real), len(fake)]), np.concatenate([real, fake]))

    expected = scipy.stats.bootstrap(
        (logits[labels == 0], logits[labels == 1]),
        statistic,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    values = replicates({name: metrics[name]}, labels, logits, 4000, generator(0, "set"))[name]
    found = PERCENTILE.of(
        Resampled(labels, logits, Tally.of(labels, logits), metrics[name](labels, logits), values)
    )
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.12 * width)
    assert found.high == pytest.approx(expected.high, abs=0.12 * width)


def test_draws_depend_on_seed_and_test_set_alone(metrics: dict[str, Metric]) -> None:
    labels, logits = normal(60, 60, shift=1, seed=1)

    def draw(seed: int, dataset: str) -> list[float]:
        return list(replicates({"ap": metrics["ap"]}, labels, logits, 20, generator(seed, dataset))["ap"])

    assert draw(1, "AR/VAR") == draw(1, "AR/VAR")
    assert draw(1, "AR/VAR") != draw(2, "AR/VAR")
    assert draw(1, "AR/VAR") != draw(1, "AR/RAR")


def test_an_undefined_resample_leaves_no_interval() -> None:
    labels, logits = normal(20, 20, shift=1, seed=1)

    def fussy(labels: np.ndarray, logits: np.ndarray) -> float:
        if logits[0] > 0:
            raise RuntimeError("no")
        return 1.0

    values = replicates({"fussy": fussy}, labels, logits, 40, generator(0, "a"))["fussy"]
    assert 0 < np.isnan(values).sum() < 40
    with pytest.raises(NoInterval, match="undefined on some resamples"):
        PERCENTILE.of(Resampled(labels, logits, Tally.of(labels, logits), 1.0, values))


def test_a_single_class_is_resampled_too(metrics: dict[str, Metric]) -> None:
    labels, logits = np.zeros(40, dtype=int), np.linspace(-1, 1, 40, dtype=np.float32)
    values = replicates({"acc_real": metrics["acc_real"]}, labels, logits, 200, generator(0, "a"))["acc_real"]
    assert values.min() < metrics["acc_real"](labels, logits) < values.max()
