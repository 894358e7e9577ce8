"""`<paradigm>/<generator>/[<class>/]{0_real,1_fake}`, the paradigm folder named AR, GAN or diffusion."""

from __future__ import annotations

from benchmarks.datasets.folders import find_pairs, make_test_set, note_left_out, require_folder, subfolders
from benchmarks.datasets.paradigms import paradigm_of, paradigm_of_folder
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch


def scan(root: Folder, *, follow_links: bool = False) -> list[TestSet]:
    """One test set `<paradigm>/<generator>` per generator.

    Generators below a folder that is not named after a paradigm get theirs from the table of
    generator names, as long as at least one folder is.
    """
    require_folder(root)
    paradigms = subfolders(root)
    if not any(paradigm_of_folder(folder.name) for folder in paradigms):
        raise LayoutMismatch("no folder in it is named AR, GAN or diffusion")
    sets, left_out = [], []
    for above in paradigms:
        for folder in subfolders(above):
            pairs = find_pairs(folder)
            if not pairs:
                left_out.append(folder)
                continue
            paradigm = paradigm_of_folder(above.name) or paradigm_of(folder.name)
            name = f"{above.name}/{folder.name}"
            sets.append(make_test_set(name, root, folder.name, paradigm, pairs, follow_links))
    if not sets:
        raise LayoutMismatch("no <paradigm>/<generator> in it holds 0_real and 1_fake")
    note_left_out(left_out, "0_real and 1_fake")
    return sets
