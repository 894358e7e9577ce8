"""The classifier and its test against scikit-learn, and its false alarms on data without a difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit
from sklearn.naive_bayes import CategoricalNB
from sklearn.preprocessing import OneHotEncoder

from benchmarks.audits.audit import audit_set
from benchmarks.audits.facts import Facts
from benchmarks.audits.report import CONTENT, SHORTCUT
from benchmarks.audits.separability import cross_validated_auroc, separate

COLOURS = 8


def onehot(table: np.ndarray) -> np.ndarray:
    return OneHotEncoder(sparse_output=False, dtype=np.float32).fit_transform(table)


@pytest.mark.parametrize("seed", range(5))
def test_cross_validated_auroc_equals_scikit_learns_naive_bayes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, [2, 5, 7], (60, 3))
    labels = np.stack([rng.permutation([0, 1] * 30) for _ in range(4)], axis=1)
    labels[:, 0] = rng.random(60) < 0.2 + 0.15 * table[:, 1]
    folds = np.arange(60) % 5
    expected = []
    for column in labels.T:
        aurocs = []
        for train, test in PredefinedSplit(folds).split():
            model = CategoricalNB(alpha=1, min_categories=[2, 5, 7], fit_prior=False).fit(
                table[train], column[train]
            )
            # equal sums of logarithms in another order differ in their last bits
            odds = np.round(model.predict_log_proba(table[test]) @ [-1, 1], 6)
            aurocs.append(roc_auc_score(column[test], odds))
        expected.append(np.mean(aurocs))
    got = cross_validated_auroc(onehot(table), labels.astype(np.float32), folds)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_p_values_of_a_cue_without_a_difference_are_uniform() -> None:
    labels = np.repeat([0, 1], 30)
    p_values = []
    for draw in range(200):
        columns = onehot(np.random.default_rng(draw).integers(0, 6, (60, 2)))
        p_values.append(separate({"x": (columns, np.arange(60))}, labels, 99, seed=draw)["x"].p_value)
    assert kstest(p_values, "uniform").pvalue > 0.01


def random_facts(count: int, rng: np.random.Generator) -> list[Facts]:
    """Files of mixed origin: every property varies, none of them with the label."""
    formats = rng.choice(["JPEG", "PNG", "WEBP"], count, p=[0.6, 0.3, 0.1])
    sizes = rng.choice([(256, 256), (640, 480), (480, 640), (1024, 1024)], count)
    return [
        Facts(
            format=str(name),
            depth=str(rng.choice(["RGB", "L"], p=[0.9, 0.1])),
            width=int(size[0]),
            height=int(size[1]),
            quality=int(rng.integers(60, 97)) if name == "JPEG" else None,
            tables=str(rng.integers(0, 5)) if name == "JPEG" else "",
            encoder=str(rng.choice(["", "progressive"])),
            metadata=str(rng.choice(["", "exif", "dpi"], p=[0.8, 0.1, 0.1])),
            bytes=int(rng.lognormal(10, 1)),
            colours=tuple(rng.normal(128, 30, COLOURS)),
            grid=float(rng.exponential(0.02)),
            past=float(rng.normal(3, 0.5)),
            resampling=float(rng.exponential(5)),
            pixels=str(rng.random()),
            phash=int(rng.integers(1 << 62)),
            thumbnail=rng.integers(0, 256, (16, 16), np.uint8),
        )
        for name, size in zip(formats, sizes, strict=True)
    ]


def test_false_alarms_stay_below_the_level_over_many_draws() -> None:
    """Each draw is an audit of one set under all cues; at most 5 % of the audits may find anything."""
    labels = np.repeat([0, 1], 40)
    draws, alarms = 200, 0
    for draw in range(draws):
        found = audit_set("x", random_facts(80, np.random.default_rng(draw)), labels, 199, seed=draw)
        alarms += bool(found.having(SHORTCUT) or found.having(CONTENT))
    # 5 % of 200 draws, and three standard deviations of their number
    assert alarms <= 10 + 3 * (draws * 0.05 * 0.95) ** 0.5
    # a test that can never fire would pass the line above
    assert alarms >= 1


def test_correction_for_the_number_of_sets_multiplies() -> None:
    rng = np.random.default_rng(1)
    facts, labels = random_facts(80, rng), np.repeat([0, 1], 40)
    one, ten = (audit_set("x", facts, labels, 199, seed=0, sets=n) for n in (1, 10))
    for a, b in zip(one.findings, ten.findings, strict=True):
        assert a.auroc == b.auroc
        assert b.p_value == pytest.approx(min(1, 10 * a.p_value))


@pytest.mark.parametrize(
    ("field", "real", "fake", "cue"),
    [
        ("format", "JPEG", "PNG", "format"),
        ("width", 640, 512, "size"),
        ("depth", "RGB", "RGBA", "bit depth"),
        ("metadata", "exif", "", "metadata"),
        ("encoder", "", "progressive", "encoder"),
        ("bytes", 100_000, 20_000, "byte size"),
        ("grid", 0.01, 0.3, "8-pixel grid"),
    ],
)
def test_a_planted_difference_is_found_and_named(field: str, real: object, fake: object, cue: str) -> None:
    facts = random_facts(80, np.random.default_rng(2))
    labels = np.repeat([0, 1], 40)
    for one, label in zip(facts, labels, strict=True):
        object.__setattr__(one, field, fake if label else real)
    found = {finding.cue: finding for finding in audit_set("x", facts, labels, 199, seed=0).findings}
    assert found[cue].auroc == 1.0
    assert found[cue].p_value == pytest.approx(1 / 200)
    assert found[cue].verdict == (CONTENT if cue in ("byte size", "8-pixel grid") else SHORTCUT)


def test_a_partial_difference_in_quality_is_found_among_the_jpegs_only() -> None:
    facts = random_facts(200, np.random.default_rng(3))
    labels = np.repeat([0, 1], 100)
    rng = np.random.default_rng(4)
    for one, label in zip(facts, labels, strict=True):
        if one.quality is not None:
            object.__setattr__(one, "quality", int(rng.normal(90 if label else 82, 6)))
    (found,) = (f for f in audit_set("x", facts, labels, 199, seed=0).findings if f.cue == "jpeg quality")
    assert found.pictures == sum(one.format == "JPEG" for one in facts)
    assert 0.65 < found.auroc < 0.95
    assert found.verdict == SHORTCUT


def test_too_few_pictures_are_not_tested() -> None:
    facts = random_facts(30, np.random.default_rng(5))
    few = audit_set("x", facts[:8], np.array([0] * 4 + [1] * 4), 99, seed=0)
    assert {finding.verdict for finding in few.findings} == {"not tested"}
    lone = audit_set("x", facts, np.zeros(30, int), 99, seed=0)
    assert {finding.verdict for finding in lone.findings} == {"not tested"}
    assert (lone.n_real, lone.n_fake) == (30, 0)
