"""Photographs, regions and crops of the mini benchmark."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from registry.errors import UserError
from tools.mini import photos
from tools.mini.photos import SIDE, SOURCES, SPLITS, Crops, Source, find, flat, tiles

SIZES = ((512, 512), (451, 300), (741, 500), (99, 40))


@pytest.mark.parametrize("size", SIZES)
def test_tiles_cover_a_photograph_once(size: tuple[int, int]) -> None:
    covered = np.zeros(size[::-1], int)
    for tile in tiles(0, size):
        left, upper, right, lower = tile.box
        covered[upper:lower, left:right] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("photo", range(len(SOURCES)))
def test_every_photograph_has_tiles_of_every_split(photo: int) -> None:
    splits = {tile.split for tile in tiles(photo, photos.installed()[photo].size)}
    assert splits == set(SPLITS)


def test_crops_of_two_splits_share_no_pixel() -> None:
    """Each pixel of this picture holds the number of its tile: a crop may hold one number only, of its split."""
    width, height = 500, 400
    number = np.zeros((height, width, 3), np.uint8)
    split_of = {}
    for index, tile in enumerate(tiles(0, (width, height))):
        left, upper, right, lower = tile.box
        number[upper:lower, left:right] = 10 * index + 5
        split_of[10 * index + 5] = tile.split
    picture = Image.fromarray(number)
    for split in SPLITS:
        crops = Crops(split, [picture])
        rng = np.random.default_rng(0)
        for _ in range(20):
            values = np.unique(crops.draw(0, rng))
            assert [split_of[int(value)] for value in values] == [split]


def test_crops_depend_on_the_generator_alone() -> None:
    first, classes = Crops("test").batch(12, np.random.default_rng(3))
    second, _ = Crops("test").batch(12, np.random.default_rng(3))
    other, _ = Crops("test").batch(12, np.random.default_rng(4))
    assert first.shape == (12, SIDE, SIDE, 3)
    assert first.dtype == np.uint8
    assert set(classes) <= set(range(len(SOURCES)))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_hardly_any_crop_is_flat() -> None:
    pictures, _ = Crops("train").batch(200, np.random.default_rng(0))
    assert sum(flat(picture) for picture in pictures) <= 2


def test_photographs_are_told_by_their_bytes() -> None:
    assert len({find(source) for source in SOURCES}) == len(SOURCES)
    for one, other in itertools.combinations(SOURCES, 2):
        assert one.name != other.name


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Source("no_such_package", "a.png", ""), "install it with pip"),
        (Source("skimage", "data/no_such_file.png", ""), "no photograph at"),
        (Source("skimage", "data/astronaut.png", "0" * 64), "SHA-256 differs"),
    ],
)
def test_a_missing_or_other_photograph_is_refused(source: Source, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        find(source)
