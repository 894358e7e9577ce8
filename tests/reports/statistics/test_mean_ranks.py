"""Friedman's test and Kendall's W against scipy and the textbook formula."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.reports.statistics.mean_ranks import summarise


@given(arrays(float, st.tuples(st.integers(2, 8), st.integers(3, 6)), elements=st.integers(0, 5).map(float)))
def test_friedman_and_kendall(values: np.ndarray) -> None:
    found = summarise(values, higher_is_better=True)
    ranks = np.stack([scipy.stats.rankdata(-row) for row in values])
    assert found.mean_ranks == pytest.approx(ranks.mean(0))
    if found.friedman is None:
        assert all(len(set(row)) == 1 for row in values)
        return
    sets, detectors = values.shape
    expected = scipy.stats.friedmanchisquare(*values.T)
    assert found.friedman == pytest.approx(expected.statistic, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    ties = sum((count**3 - count) for row in ranks for count in np.unique(row, return_counts=True)[1])
    spread = ((ranks.sum(0) - ranks.sum(0).mean()) ** 2).sum()
    w = 12 * spread / (sets**2 * (detectors**3 - detectors) - sets * ties)
    assert found.kendall_w == pytest.approx(w, abs=1e-9)


def test_direction() -> None:
    values = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    assert summarise(values, higher_is_better=True).mean_ranks == (3, 2, 1)
    assert summarise(values, higher_is_better=False).mean_ranks == (1, 2, 3)
    assert summarise(values, higher_is_better=True).kendall_w == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (1, 3), (5, 2)])
def test_too_little_to_test(shape: tuple[int, int]) -> None:
    found = summarise(np.random.default_rng(0).random(shape), higher_is_better=True)
    assert found.friedman is found.p is found.kendall_w is None
    assert found.reason
