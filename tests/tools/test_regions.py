"""Test and training crops of the mini benchmark come from other regions, which can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from tools.mini.regions import nearest, region_aurocs


def test_regions_are_told_apart_by_known_crops() -> None:
    one, both = region_aurocs(bank=600, queries=60, seed=0)
    assert 0.6 < one < both


def test_nearest_is_the_distance_to_the_crop_or_its_mirror_image() -> None:
    rng = np.random.default_rng(0)
    bank = rng.uniform(0, 255, (5, 16, 16, 3)).astype(np.float32)
    asked = np.stack([bank[3][:, ::-1], bank[1] + 1]).reshape(2, -1)
    assert nearest(asked, bank.reshape(5, -1)) == pytest.approx([0, np.sqrt(768)], abs=8)
