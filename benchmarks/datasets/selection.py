"""Fewer pictures of a test set, chosen the same way on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import UserError


def limit_per_class(test_set: TestSet, limit: int) -> TestSet:
    """At most `limit` real and `limit` generated pictures, spread over the whole set.

    The pictures whose names have the smallest SHA-256 are taken: neighbours in the alphabet (frames
    of one video, seeds of one prompt) are not preferred, and a smaller limit gives a part of a larger.
    """
    if limit < 1:
        raise UserError(f"the limit per class must be at least 1, got {limit}")
    kept = {
        picture
        for label in (REAL, FAKE)
        for picture in sorted((p for p in test_set.pictures if p.label == label), key=_rank)[:limit]
    }
    return replace(test_set, pictures=tuple(p for p in test_set.pictures if p in kept))


def _rank(picture: Picture) -> str:
    """By the last two parts of the path (class folder and file), so that the depth of the root is no matter."""
    return hashlib.sha256("/".join(picture.path.split("/")[-2:]).encode()).hexdigest() + picture.path
