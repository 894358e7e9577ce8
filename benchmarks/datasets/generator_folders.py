"""`<generator>/[<class>/]{0_real,1_fake}`: ForenSynths, AIGCDetectBenchmark, AIGIBench, ARForensics' test split.

Some generators of one root may have class folders and others not.
"""

from __future__ import annotations

from benchmarks.datasets.arforensics import warn_of_first_upload
from benchmarks.datasets.folders import find_pairs, make_test_set, note_left_out, require_folder, subfolders
from benchmarks.datasets.paradigms import paradigm_of, paradigm_of_folder
from benchmarks.storage import Folder
from registry.dataset import UNKNOWN_PARADIGM, TestSet
from registry.errors import LayoutMismatch


def scan(root: Folder, *, follow_links: bool = False) -> list[TestSet]:
    """One test set per generator; the pictures of its class folders are scored together."""
    require_folder(root)
    folders = subfolders(root)
    for folder in folders:
        if paradigm_of_folder(folder.name):
            raise LayoutMismatch(f"{folder.name} is a paradigm, not a generator")
    found = {folder: pairs for folder in folders if (pairs := find_pairs(folder))}
    if not found:
        raise LayoutMismatch("no folder in it holds 0_real and 1_fake")
    for folder, pairs in found.items():
        for real, _ in pairs:
            if real.parent != folder and paradigm_of(real.parent.name) != UNKNOWN_PARADIGM:
                # scored together they would be one set of many generators
                raise LayoutMismatch(
                    f"{folder.name} holds generators ({real.parent.name}), not classes: give {folder} instead"
                )
    note_left_out((folder for folder in folders if folder not in found), "0_real and 1_fake")
    warn_of_first_upload(folder.name for folder in found)
    return [
        make_test_set(folder.name, root, folder.name, paradigm_of(folder.name), pairs, follow_links)
        for folder, pairs in found.items()
    ]
