"""Random scores: a function of the picture alone, and uniform."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from baselines.random_score import RandomScore


def _views(count: int, seed: int = 0) -> torch.Tensor:
    pictures = np.random.RandomState(seed).randint(0, 256, (count, 80, 64, 3), np.uint8)
    view = RandomScore().view
    return torch.stack([view(Image.fromarray(picture)) for picture in pictures])


def test_scores_do_not_depend_on_the_batch():
    images = _views(5)
    detector = RandomScore()
    together = detector({"image": images})
    alone = torch.cat([detector({"image": images[[i]]}) for i in (4, 2, 0)])
    assert torch.equal(alone, together[[4, 2, 0]])
    assert len(set(together.tolist())) == 5


def test_equal_pictures_get_equal_scores():
    image = _views(1)
    first, second = RandomScore()({"image": torch.cat([image, image])})
    assert first == second


def test_another_seed_is_another_draw():
    images = _views(200)
    one, other = RandomScore()({"image": images}), RandomScore(seed=1)({"image": images})
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.25


def test_scores_are_uniform():
    scores = torch.sigmoid(RandomScore()({"image": _views(2000)})).numpy()
    assert stats.kstest(scores, "uniform").pvalue > 0.01


def test_score_of_a_known_picture():
    """The value holds in every process, on every machine and in every release."""
    image = torch.zeros(1, 3, 64, 64)
    logit = RandomScore()({"image": image}).item()
    assert logit == pytest.approx(1.5740387439727783, rel=1e-6)
    code = "import torch; from baselines.random_score import RandomScore as R; print(R()({'image': torch.zeros(1, 3, 64, 64)}).item())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(printed) == logit
    assert 0 < 1 / (1 + math.exp(-logit)) < 1
