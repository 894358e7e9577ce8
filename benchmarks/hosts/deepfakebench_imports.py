"""Makes what DeepfakeBench's `training/test.py` imports importable, with a data set that alters no picture."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.hosts.stubs import forget
from benchmarks.hosts.suite import Notes
from registry import UserError

_DATASETS = {
    "abstract_dataset": "DeepfakeAbstractBaseDataset",
    "ff_blend": "FFBlendDataset",
    "fwa_blend": "FWABlendDataset",
    "pair_dataset": "pairDataset",
}
"""What test.py imports from the suite's `dataset` package; it uses the first."""


def load_suite(root: Path, notes: Notes) -> None:
    """Make test.py's imports work: its packages `detectors` and `dataset` import everything there is."""
    if str(root / "training") not in sys.path:
        sys.path.insert(0, str(root / "training"))
    detectors: Any = ModuleType("detectors")
    detectors.DETECTOR = importlib.import_module("metrics.registry").DETECTOR
    _import_or("detectors", detectors, notes)
    dataset = ModuleType("dataset")
    dataset.__path__ = [str(root / "training" / "dataset")]
    _import_or("dataset", dataset, notes)
    for name, kind in _DATASETS.items():
        blank = ModuleType(f"dataset.{name}")
        setattr(blank, kind, type(kind, (), {}))
        _import_or(f"dataset.{name}", blank, notes)
    suite: Any = sys.modules["dataset.abstract_dataset"]
    if not hasattr(suite, "A"):
        raise UserError(
            f"the data sets of DeepfakeBench cannot be imported: {notes.shims}; pip install lmdb albumentations"
        )
    if not hasattr(suite.DeepfakeAbstractBaseDataset, "d3qe_bench"):
        suite.DeepfakeAbstractBaseDataset = _dataset(suite.DeepfakeAbstractBaseDataset, root, notes)


def _import_or(name: str, blank: ModuleType, notes: Notes) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:  # numpy 1 spellings, dlib's landmark file, packages that are not there
        forget(name)
        sys.modules[name] = blank
        reason = f"importing it fails: {type(error).__name__}: {' '.join(str(error).split())}"
        notes.shim(f"bare module in place of {name}", reason)


def _dataset(base: Any, root: Path, notes: Notes) -> type:
    """The suite's test data set, whose pictures are left to the detector."""

    class OurDataset(base):
        d3qe_bench = True

        def __init__(self, config: dict[str, Any], mode: str) -> None:
            if config.get("lmdb"):
                notes.deviation("pictures are read as files from rgb_dir, not from DeepfakeBench's LMDB copy")
            super().__init__({**config, "lmdb": False}, mode)

        def init_data_aug_method(self) -> None:
            """No augmentation; the suite's wants one version of albumentations."""

        def __getitem__(self, index: int) -> tuple[Path, int]:
            frame = self.image_list[index].replace("\\", "/")
            folder = root if frame.startswith(".") else root / self.config["rgb_dir"]
            return folder / frame, int(self.label_list[index])

        def collate_fn(self, batch: list[tuple[Path, int]]) -> dict[str, Any]:
            import torch

            paths, labels = zip(*batch, strict=True)
            return {
                "image": torch.zeros(len(batch), 3, 1, 1),
                "label": torch.tensor(labels),
                "mask": None,
                "landmark": None,
                "paths": paths,
                "test_set": self.config["test_dataset"],
            }

    notes.shim(
        "subclass in place of DeepfakeAbstractBaseDataset",
        "which squashes every picture to a square and replaces unreadable ones by others",
    )
    return OurDataset
