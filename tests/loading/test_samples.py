"""Pictures of a test set as decoding processes get them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks.loading.memory import GivenPictures
from benchmarks.loading.samples import PackedPictures, Prepared, keep_list
from benchmarks.perturbations import CLEAN, Perturbation
from benchmarks.perturbations.none import none
from registry import Picture, View
from registry.view import CLIP_MEAN, CLIP_STD

PLAIN, CLIP = View(crop=32), View(crop=32, mean=CLIP_MEAN, std=CLIP_STD)


def test_packed_pictures_are_the_pictures() -> None:
    pictures = [
        Picture("a/ü.png", 1, "f" * 64, 3),
        Picture("b/\udce9.png", 0),
        Picture("", 1),
        Picture("c", 0),
    ]
    packed = PackedPictures(pictures)
    assert list(packed) == pictures
    assert packed[1:3] == pictures[1:3]
    assert packed[-2] == pictures[-2]
    assert list(PackedPictures([])) == []
    with pytest.raises(IndexError):
        packed[4]


def given(count: int, views: list[View]) -> GivenPictures:
    pictures = np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), np.uint8)
    clean = Perturbation(CLEAN, none(""))  # type: ignore[arg-type]
    return GivenPictures(pictures, None, [clean], views, seed=0, max_pixels=10**6)


def test_levels_reach_the_main_process_once_and_take_a_byte_each() -> None:
    pictures = given(3, [PLAIN, CLIP])
    # a second process, since the first one's arrays come as they are
    for prepared in next(iter(DataLoader(pictures, batch_size=3, num_workers=1, collate_fn=keep_list))):
        arrays = prepared.samples[CLEAN]
        assert not isinstance(arrays, str)
        assert arrays[PLAIN] is arrays[CLIP]
        assert (arrays[PLAIN].dtype, arrays[PLAIN].shape) == (np.uint8, (3, 32, 32))
    assert len(pickle.dumps(pictures[0])) < 2 * 3 * 32 * 32


def test_pinned_pictures_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:  # stands for the driver of a GPU
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    prepared = given(1, [PLAIN, CLIP, View(crop=20)])[0]
    there = prepared.pin_memory()
    assert (there.picture, list(there.samples)) == (prepared.picture, [CLEAN])
    before, after = prepared.samples[CLEAN], there.samples[CLEAN]
    assert not isinstance(before, str)
    assert not isinstance(after, str)
    assert after[PLAIN] is after[CLIP]
    assert len(pinned) == 2
    for view, array in after.items():
        np.testing.assert_array_equal(array, before[view])
        assert array.ctypes.data in [one.data_ptr() for one in pinned]
    broken = Prepared(Picture("a.png", 0), {CLEAN: "damaged"})
    assert broken.pin_memory() == broken
