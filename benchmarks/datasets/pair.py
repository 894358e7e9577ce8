"""`{0_real,1_fake}` at the root: one test set, named after the folder."""

from __future__ import annotations

from benchmarks.datasets.folders import find_pair, make_test_set, require_folder
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch


def scan(root: Folder, *, follow_links: bool = False) -> list[TestSet]:
    """One test set of the two class folders in `root`."""
    require_folder(root)
    pair = find_pair(root)
    if pair is None:
        raise LayoutMismatch("no 0_real and 1_fake in it")
    name = root.resolve().name
    return [make_test_set(name, root, name, paradigm_of(name), [pair], follow_links)]
