"""GenImage: `<generator>/{train,val}/{ai,nature}`, or `{ai,nature}` without splits or without generators.

Its archives unpack to one more folder (`Midjourney/imagenet_midjourney/val/ai`), which may stay.
Source: https://github.com/GenImage-Dataset/GenImage
"""

from __future__ import annotations

from benchmarks.datasets.folders import (
    NATURE_AI,
    Pair,
    find_pair,
    make_test_set,
    note_left_out,
    require_folder,
    subfolders,
)
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError, nearest

SPLITS = ("val", "train")


def scan(root: Folder, *, split: str = "val", follow_links: bool = False) -> list[TestSet]:
    """One test set per generator, of one split where there are splits.

    split: `val` (GenImage's test pictures) or `train`.
    """
    require_folder(root)
    if split not in SPLITS:
        raise UserError(
            f"split {split!r} does not exist{nearest(split, SPLITS)} (known: {', '.join(SPLITS)})"
        )
    folders = subfolders(root)
    pair = _pair(root, split)
    if pair:
        found = {root: pair}
    else:
        found = {
            folder: pair for folder in folders if (pair := _pair(folder, split) or _unpacked(folder, split))
        }
        if not found:
            raise LayoutMismatch(f"no ai and nature in it, in <generator> or in <generator>/{split}")
        note_left_out((folder for folder in folders if folder not in found), "ai and nature")
    sets = []
    for folder, pair in found.items():
        name = folder.resolve().name
        sets.append(make_test_set(name, root, name, paradigm_of(name), [pair], follow_links))
    return sets


def _pair(folder: Folder, split: str) -> Pair | None:
    """The two classes of a generator's folder, with or without splits."""
    pair = find_pair(folder, NATURE_AI) or find_pair(folder / split, NATURE_AI)
    if pair is None and any(find_pair(folder / other, NATURE_AI) for other in SPLITS):
        raise UserError(f"{folder} has no split {split!r}")
    return pair


def _unpacked(folder: Folder, split: str) -> Pair | None:
    """The two classes in the archive's own folder below a generator's."""
    below = (_pair(inner, split) for inner in subfolders(folder))
    return next((pair for pair in below if pair), None)
