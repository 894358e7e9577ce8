"""ARForensics as downloaded: `test/<generator>/{0_real,1_fake}`, `train/{0_real,1_fake}`, `val/{0_real,1_fake}`.

Source: https://huggingface.co/datasets/Yanran21/ARForensics
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from benchmarks.datasets.folders import find_pair, find_pairs, make_test_set, require_folder, subfolders
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError, nearest

logger = logging.getLogger(__name__)

SPLITS = ("test", "train", "val")
_TRAINED_ON = "LlamaGen"
_TEST_GENERATORS = {"Infinity", "Janus_Pro", "RAR", "VAR", "LlamaGen", "Open_MAGVIT2"}


def scan(root: Folder, *, split: str = "test", follow_links: bool = False) -> list[TestSet]:
    """The test generators, or the one pair of the training or validation split.

    split: `test`, `train` or `val`. The latter two hold LlamaGen and ImageNet pictures only. A data set
    of one's own with a plain pair in each split is read as well; its generator is the folder's name.
    """
    require_folder(root)
    if not (root / "test").is_dir() or not any(find_pair(root / name) for name in ("train", "val")):
        raise LayoutMismatch("no test folder beside train/{0_real,1_fake} or val/{0_real,1_fake}")
    if split not in SPLITS:
        raise UserError(
            f"split {split!r} does not exist{nearest(split, SPLITS)} (known: {', '.join(SPLITS)})"
        )
    pair = find_pair(root / split)
    if pair:
        generator = root.resolve().name if find_pair(root / "test") else _TRAINED_ON
        return [make_test_set(split, root, generator, paradigm_of(generator), [pair], follow_links)]
    found = {folder: pairs for folder in subfolders(root / split) if (pairs := find_pairs(folder))}
    if not found:
        raise UserError(f"no folder in {root / split} holds 0_real and 1_fake")
    warn_of_first_upload(folder.name for folder in found)
    return [
        make_test_set(folder.name, root, folder.name, paradigm_of(folder.name), pairs, follow_links)
        for folder, pairs in found.items()
    ]


def warn_of_first_upload(generators: Iterable[str]) -> None:
    """Warn where ARForensics' test split holds MAR in place of Switti, as its first upload did."""
    names = set(generators)
    if "MAR" in names and "Switti" not in names and len(names & _TEST_GENERATORS) >= 4:
        logger.warning(
            "this is the first upload of ARForensics, with MAR in place of Switti: "
            "means over its generators do not compare with published ones; download it again"
        )
