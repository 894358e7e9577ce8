"""UniversalFakeDetect's diffusion test sets: `<set>/1_fake`, with the real pictures in folders of their own.

`imagenet/0_real` belongs to `guided`, `laion/0_real` to all the others.
Source: https://github.com/WisconsinAIVision/UniversalFakeDetect
"""

from __future__ import annotations

from benchmarks.datasets.folders import REAL_FAKE, make_test_set, require_folder, subfolders
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError

REAL_FOLDERS = ("imagenet", "laion")


def scan(root: Folder, *, follow_links: bool = False) -> list[TestSet]:
    """One test set per folder with `1_fake`, beside the real pictures that belong to it."""
    require_folder(root)
    real, fake = REAL_FAKE
    reals = [name for name in REAL_FOLDERS if (root / name / real).is_dir()]
    generated = [
        folder for folder in subfolders(root) if (folder / fake).is_dir() and not (folder / real).is_dir()
    ]
    if not reals or not generated:
        raise LayoutMismatch("no imagenet/0_real or laion/0_real beside <set>/1_fake")
    sets = []
    for folder in generated:
        source = "imagenet" if folder.name.startswith("guided") else "laion"
        if source not in reals:
            raise UserError(f"{folder} needs the real pictures of {root / source / real}, which is missing")
        pair = (root / source / real, folder / fake)
        sets.append(
            make_test_set(folder.name, root, folder.name, paradigm_of(folder.name), [pair], follow_links)
        )
    return sets
