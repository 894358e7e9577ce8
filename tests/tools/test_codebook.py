"""The code usage statistics against scipy, and the permutation test on known cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy

from tools.mini.codebook import discrepancy, draw, frequencies, perplexity, total_variation


def _counts(shares: np.ndarray, pictures: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(256, shares, size=pictures)


def test_distance_of_known_distributions() -> None:
    assert total_variation(np.array([0.5, 0.5, 0]), np.array([0.5, 0.5, 0])) == 0
    assert total_variation(np.array([1.0, 0]), np.array([0, 1.0])) == 1
    assert total_variation(np.array([0.7, 0.3]), np.array([0.4, 0.6])) == pytest.approx(0.3)


def test_perplexity_is_the_exponential_of_entropy() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(40))
    assert perplexity(shares) == pytest.approx(np.exp(entropy(shares)))
    assert perplexity(np.array([0.25, 0.25, 0.25, 0.25, 0])) == pytest.approx(4)


def test_frequencies_weigh_tokens_alike() -> None:
    assert frequencies(np.array([[3, 1], [1, 3], [4, 0]])).tolist() == [8 / 12, 4 / 12]


def test_same_usage_is_not_significant_and_other_usage_is() -> None:
    uniform = np.full(64, 1 / 64)
    tilted = uniform * np.linspace(0.7, 1.3, 64)
    labels = np.repeat([0, 1], 40)
    same = discrepancy(np.concatenate([_counts(uniform, 40, 1), _counts(uniform, 40, 2)]), labels, 199)
    other = discrepancy(np.concatenate([_counts(uniform, 40, 1), _counts(tilted, 40, 2)]), labels, 199)
    assert same.p_value > 0.05
    assert same.distance == pytest.approx(same.expected, rel=0.2)
    assert other.p_value == 1 / 200
    assert other.distance > 1.5 * other.expected


def test_figure_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    draw({"photographs": np.full(512, 1 / 512), "raster": np.linspace(0, 1, 512) / 256}, 51200, path)
    assert path.read_bytes().startswith(b"\x89PNG")
