"""Pictures of a test set as decoding processes get them."""

from __future__ import annotations

import pytest

from benchmarks.loading.samples import PackedPictures
from registry import Picture


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
