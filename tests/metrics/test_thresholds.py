"""Thresholds chosen on one test set: the best there, used elsewhere, labelled, never counted at home."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.attribution import p_values
from benchmarks.metrics.accuracy import acc_best_threshold
from benchmarks.metrics.tally import Undefined
from benchmarks.metrics.thresholds import best_threshold, reals_needed, threshold_at_fpr
from benchmarks.reports import load_metrics, render
from benchmarks.runfolder.evaluate import compute_metrics
from benchmarks.runfolder.scores import Cell
from registry import UserError, load_plugins
from tests.metrics.samples import normal, samples
from tests.runs import Rows, dataset, detector, make_run, rows_of

SETS = {
    "AR/val": dataset("AR", "val", 60, 60),
    "AR/a": dataset("AR", "a", 50, 70),
    "GAN/b": dataset("GAN", "b", 40, 40),
}
NAMES = ("acc@AR/val", "acc_real@AR/val", "acc_fake@AR/val")


def sample(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    asked = SETS[cell.dataset]["asked"]
    labels, logits = normal(
        asked["real"], asked["fake"], 3.0, seed=len(cell.dataset) + len(cell.perturbation)
    )
    return labels, logits + np.float32(2.5)  # the threshold sits wrong by 2.5


def rows(cell: Cell) -> Rows:
    return [] if cell.detector == "absent" and cell.dataset == "AR/val" else rows_of(*sample(cell))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    detectors = {"shifted": detector(), "absent": detector()}
    return make_run(tmp_path / "run", detectors, SETS, rows, ("none", "jpeg:75"))


@given(samples())
def test_the_threshold_reaches_the_best_accuracy(sample: tuple[np.ndarray, np.ndarray]) -> None:
    labels, logits = sample
    threshold = best_threshold(labels, logits)
    reached = sk.accuracy_score(labels, logits.astype(float) > threshold)
    assert reached == pytest.approx(acc_best_threshold(labels, logits), abs=1e-12)


def test_of_equally_good_thresholds_the_one_nearest_to_zero_is_taken() -> None:
    labels = np.repeat([0, 1], 5)
    assert best_threshold(labels, np.repeat([-3.0, 5.0], 5)) == 1.0
    assert best_threshold(labels, np.repeat([5.0, -3.0], 5)) in (6.0, -4.0)
    with pytest.raises(Undefined):
        best_threshold(labels[:4], np.zeros(4))


@given(samples(real=20), st.sampled_from([0.05, 0.07, 0.1, 0.29, 0.5]))
def test_threshold_at_a_rate_is_where_the_conformal_p_value_reaches_it(
    sample: tuple[np.ndarray, np.ndarray], fpr: float
) -> None:
    labels, logits = sample
    real, threshold = logits[labels == 0], threshold_at_fpr(labels, logits, fpr)

    def p_value(x: float) -> Fraction:
        return Fraction(1 + int((real >= x).sum()), 1 + len(real))

    asked = Fraction(str(fpr))
    assert p_value(np.nextafter(threshold, np.inf)) <= asked
    assert p_value(threshold) > asked
    assert np.array_equal(p_values(real, real) <= fpr + 1e-12, real > threshold)


def test_new_real_pictures_reach_the_rate_on_average() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros(100, int)
    missed = [scipy.stats.norm.sf(threshold_at_fpr(labels, rng.normal(size=100), 0.01)) for _ in range(3000)]
    assert np.mean(missed) == pytest.approx(1 / 101, rel=0.06)


@pytest.mark.parametrize(
    ("fpr", "needed"), [(0.01, 100), (0.03, 34), (0.001, 1000), (0.5, 2), (1e-5, 100_000)]
)
def test_a_rate_needs_one_over_it_real_pictures(fpr: float, needed: int) -> None:
    assert reals_needed(fpr) == needed
    few = min(needed - 1, 999)
    with pytest.raises(Undefined, match=f"{few} real pictures, at least {needed} are needed"):
        threshold_at_fpr(np.zeros(few, int), np.zeros(few), fpr)


def test_accuracy_elsewhere_at_the_threshold(run: Path) -> None:
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    result = compute_metrics(run, catalog, bootstrap=50, calibrate_on="AR/val")
    threshold = best_threshold(*sample(Cell("shifted", "AR/val", "none")))
    assert result["calibrated"]["thresholds"]["shifted"] == threshold
    assert "best on clean AR/val" in result["metrics"]["acc@AR/val"]["summary"]
    for cell in result["cells"]:
        if cell["detector"] != "shifted":
            continue
        if cell["dataset"] == "AR/val":
            assert [cell["metrics"][name] for name in NAMES] == [None] * 3
            assert cell["undefined"]["acc@AR/val"] == "it was chosen on these pictures"
            continue
        labels, logits = sample(Cell("shifted", cell["dataset"], cell["perturbation"]))
        called = logits.astype(float) > threshold
        expected = [
            sk.accuracy_score(labels, called),
            *(sk.recall_score(labels, called, pos_label=k) for k in (0, 1)),
        ]
        assert [cell["metrics"][name] for name in NAMES] == pytest.approx(expected, abs=1e-12)
        assert cell["metrics"]["acc@AR/val"] > cell["metrics"]["acc"]
        low, high = cell["ci"]["acc@AR/val"]
        assert low < cell["metrics"]["acc@AR/val"] < high
    absent = next(c for c in result["cells"] if c["detector"] == "absent" and c["dataset"] == "AR/a")
    assert absent["metrics"]["acc@AR/val"] is None
    assert absent["undefined"]["acc@AR/val"].startswith("no threshold from AR/val: 0 real pictures")


def test_means_leave_the_validation_set_out(run: Path) -> None:
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    result = compute_metrics(run, catalog, bootstrap=0, calibrate_on="AR/val")
    cells = {
        c["dataset"]: c["metrics"]["acc@AR/val"]
        for c in result["cells"]
        if (c["detector"], c["perturbation"]) == ("shifted", "none")
    }
    means = {
        m["scope"]: m["metrics"]["acc@AR/val"]
        for m in result["means"]
        if (m["detector"], m["perturbation"]) == ("shifted", "none")
    }
    assert means["AR"] == pytest.approx(cells["AR/a"])
    assert means["all"] == pytest.approx((cells["AR/a"] + cells["GAN/b"]) / 2)


def test_reports_show_it_apart_and_keep_it(run: Path) -> None:
    (file,) = render(run, ["md"], ["acc", "acc@AR/val"], bootstrap=0, calibrate_on="AR/val")
    text = file.read_text(encoding="utf-8")
    plain, calibrated = text.split("## acc@AR/val")[0], text.split("## acc@AR/val")[1]
    assert "all: mean of 3" in plain
    assert "all: mean of 2" in calibrated
    assert "all: mean of 3" not in calibrated.split("## Threshold")[0]
    assert load_metrics(run)["calibrated"]["on"] == "AR/val"
    assert load_metrics(run, recompute=True)["calibrated"]["on"] == "AR/val"
    with pytest.raises(UserError, match="unknown test set 'AR/vall', did you mean 'AR/val'"):
        render(run, calibrate_on="AR/vall")
