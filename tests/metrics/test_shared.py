"""Test sets that share their real pictures: intervals of their mean, and tests of its difference, that hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from PIL import Image

from benchmarks.metrics.bootstrap import generator, replicates
from benchmarks.metrics.ranking import ap, auroc, tpr_at_fpr_1
from benchmarks.metrics.shared import SharedPictures
from benchmarks.runfolder.sharing import find_sharing
from tests.conftest import Invoked


def identities(count: int, offset: int = 0) -> np.ndarray:
    rng = np.random.default_rng(12345 + offset)
    return rng.integers(0, 2**64, count, np.uint64)


def test_a_picture_is_drawn_alike_wherever_it_stands() -> None:
    names = identities(300)
    one = SharedPictures(3, names, (0,)).counts(np.arange(100), 0, 50)
    shuffled = np.random.default_rng(0).permutation(300)
    other = SharedPictures(3, names[shuffled], (0,))
    place = np.argsort(shuffled)[:100]
    np.testing.assert_array_equal(other.counts(place, 0, 50), one)
    np.testing.assert_array_equal(other.counts(place, 20, 50), one[20:], "chunks do not matter")
    assert (SharedPictures(4, names, (0,)).counts(np.arange(100), 0, 50) != one).any()


def test_counts_are_poisson_and_independent() -> None:
    counts = SharedPictures(0, identities(200), (0,)).counts(np.arange(200), 0, 5000)
    observed = np.bincount(counts.ravel(), minlength=6)[:6]
    expected = scipy.stats.poisson.pmf(np.arange(6), 1) * counts.size
    assert scipy.stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 0.001
    correlations = np.corrcoef(counts[:, :40].T)[np.triu_indices(40, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)
    along = np.corrcoef(counts[:-1].ravel(), counts[1:].ravel())[0, 1]
    assert abs(along) < 5 / np.sqrt(counts.size)


def test_an_empty_resample_takes_every_picture_once() -> None:
    counts = SharedPictures(0, identities(2), (0,)).counts(np.arange(2), 0, 2000)
    assert counts.sum(1).min() == 1
    assert (counts.sum(1) == 2).mean() > scipy.stats.poisson.pmf(2, 2)


def test_metrics_of_strangers_see_the_same_resamples() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    logits = rng.normal(size=80).astype(np.float32)
    shared = SharedPictures(1, identities(80), (0, 1))

    def by_hand(some_labels: np.ndarray, some_logits: np.ndarray) -> float:
        return float(auroc(some_labels, some_logits))

    found = replicates({"a": auroc, "b": by_hand}, labels, logits, 200, rng, shared)
    np.testing.assert_allclose(found["a"], found["b"], rtol=1e-12)


def test_weights_that_make_up_the_fewest_pictures_are_enough() -> None:
    """100 pictures, each with a weight, sum to 99.99999999999999 in some resamples; `tpr_at_fpr_1` needs 100."""
    labels = np.repeat([0, 1], 100)
    logits = np.random.default_rng(0).normal(labels)
    for seed in range(5):
        shared = SharedPictures(seed, identities(200), (0, 1))
        found = replicates({"t": tpr_at_fpr_1}, labels, logits, 50, generator(0, "x"), shared)["t"]
        assert np.isfinite(found).all()


def test_one_set_alone_varies_as_much_either_way() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 150)
    logits = rng.normal(labels * 1.0)
    shared = SharedPictures(1, identities(300), (0, 1))
    for metric in (auroc, ap):
        plain, weighed = (
            replicates({"m": metric}, labels, logits, 3000, generator(0, "x"), one)["m"]
            for one in (None, shared)
        )
        assert weighed.std() == pytest.approx(plain.std(), rel=0.08)
        assert weighed.mean() == pytest.approx(plain.mean(), abs=0.1 * plain.std())


def test_a_run_knows_what_its_sets_share(tmp_path: Path, invoke: type[Invoked]) -> None:
    rng = np.random.default_rng(0)
    for name in ("VAR", "ProGAN", "ADM"):
        for folder, offset in (("0_real", 0), ("1_fake", 1 + len(name))):
            (tmp_path / "data" / name / folder).mkdir(parents=True)
            for number in range(8):
                pixels = np.random.default_rng(100 * offset + number).integers(0, 256, (20, 20, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / name / folder / f"{name}-{number}.png")
    del rng
    out = tmp_path / "run"
    detectors = "a=random_score,b=random_score,c=random_score"
    options = [f"--option={name}.seed={seed}" for seed, name in enumerate("abc")]
    done = invoke("run", "--data", tmp_path / "data", "--detectors", detectors, *options, "--out", out)
    assert done.code == 0, done.err
    sharing = find_sharing(out)
    assert sorted(sharing.datasets) == ["ADM", "ProGAN", "VAR"]
    paths = pd.Series([f"VAR/0_real/VAR-{number}.png" for number in range(8)])
    found = sharing.of("VAR", paths, np.zeros(8, int), 0)
    assert found is not None
    assert found.classes == (0,)
    other = sharing.of("ADM", paths.str.replace("VAR", "ADM"), np.zeros(8, int), 0)
    np.testing.assert_array_equal(found.identities, other.identities)
    metrics = json.loads((out / "metrics.json").read_text())
    assert "drawn once for all" in metrics["bootstrap"]["method"]
    text = (out / "leaderboard.md").read_text()
    assert "3 of 3 sets share pictures" in text
