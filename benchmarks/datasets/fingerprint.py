"""One hash that says whether two runs saw the same pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

from benchmarks.pictures import file_size
from registry.dataset import Picture, PictureFile, TestSet
from registry.errors import UserError, nearest
from registry.weights import sha256

METHODS = ("content", "names")
_UNREADABLE = "unreadable: "
_TOGETHER = 64
"""Pictures that are handed to a thread at once, if they have to be read."""
_TOGETHER_KNOWN = 4096
"""The same of pictures whose digest is known: to hand over a few takes longer than to look at the size of their files."""


@dataclass(frozen=True)
class Fingerprint:
    """What a test set holds. digest: of all of it.

    pictures: SHA-256 in hexadecimal of each file that was read, by path; empty where only names were taken.
    """

    digest: str
    pictures: Mapping[str, str]


def fingerprint(test_set: TestSet, how: str = "content", threads: int = 4) -> Fingerprint:
    """SHA-256 over path, label and content of every picture, sorted by path; the set's name is not in it.

    how: `content` hashes the files' bytes; `names` takes their sizes, which needs no reading.
    A file that cannot be read counts as the reason why. Digests that an index has recorded are taken from it,
    as long as the file has the size that it had then.

    Raises:
        UserError: no such method, or a file that has another size than its index says.
    """
    if how not in METHODS:
        raise UserError(
            f"fingerprint {how!r} does not exist{nearest(how, METHODS)} (known: {', '.join(METHODS)})"
        )
    describe = partial(_described, _digest if how == "content" else _size, test_set)
    pictures = sorted(test_set.pictures, key=lambda picture: (picture.path, picture.label))
    total = hashlib.sha256()
    known: dict[str, str] = {}
    size = _TOGETHER_KNOWN if how == "names" or all(one.sha256 for one in pictures) else _TOGETHER
    parts = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    with ThreadPoolExecutor(threads) as pool:
        for picture, text in zip(pictures, chain.from_iterable(pool.map(describe, parts)), strict=True):
            total.update(f"{picture.path}\0{picture.label}\0{text}\n".encode())
            if how == "content" and not text.startswith(_UNREADABLE):
                known[picture.path] = text
    return Fingerprint(total.hexdigest(), known)


def _described(
    measure: Callable[[PictureFile, Picture], str], test_set: TestSet, pictures: Sequence[Picture]
) -> list[str]:
    return [_describe(measure, test_set, picture) for picture in pictures]


def _describe(measure: Callable[[PictureFile, Picture], str], test_set: TestSet, picture: Picture) -> str:
    try:
        known = measure is _digest and picture.sha256 and test_set.store is None
        # a path object for each of a million files takes longer than the look-up of its size
        if known and os.stat(os.path.join(test_set.root, picture.path)).st_size == picture.size:
            return picture.sha256
        return measure(test_set.file(picture), picture)
    except OSError as error:
        return f"{_UNREADABLE}{type(error).__name__}"


def _digest(path: PictureFile, picture: Picture) -> str:
    if not picture.sha256:
        return sha256(path)
    if (size := file_size(path)) != picture.size:
        raise UserError(
            f"{path} has {size:,} bytes, {picture.size:,} when its data set was indexed: `d3qe-bench data verify` "
            "names all that changed, `data prepare` indexes anew"
        )
    return picture.sha256


def _size(path: PictureFile, picture: Picture) -> str:
    return str(file_size(path))
