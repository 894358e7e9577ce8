"""Our detectors in DeepfakeBench: registered in its `DETECTOR` table, tested by its `training/test.py`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from benchmarks.hosts.observe import observed, run_script
from benchmarks.hosts.scorer import Scorer, settings_for
from benchmarks.hosts.session import Evaluation, HostRun
from benchmarks.hosts.stubs import forget
from benchmarks.hosts.suite import Notes, Suite, commit_of
from registry import UserError

SUITE = Suite(
    name="deepfakebench",
    title="DeepfakeBench",
    licence="CC-BY-NC-4.0",
    install="git clone https://github.com/SCLBD/DeepfakeBench and pip install lmdb albumentations tensorboard",
    files=("training/test.py", "training/metrics/registry.py", "training/dataset/abstract_dataset.py"),
)
_DATASETS = {
    "abstract_dataset": "DeepfakeAbstractBaseDataset",
    "ff_blend": "FFBlendDataset",
    "fwa_blend": "FWABlendDataset",
    "pair_dataset": "pairDataset",
}
"""What test.py imports from the suite's `dataset` package; it uses the first."""


def register(
    detectors: Sequence[str] | None = None, *, root: Path, notes: Notes | None = None, **settings: Any
) -> dict[str, str]:
    """Register our detectors as DeepfakeBench detectors, to be named as `model_name` of a configuration.

    detectors: names in our registry, all by default. root: the checkout, which also becomes
        importable. settings: as in a run's configuration.

    Returns:
        Our name → its name in DeepfakeBench.
    """
    _load_suite(SUITE.checkout(root), notes or Notes())
    chosen = settings_for(detectors, SUITE.name, settings)
    return {one.shown: _register(Scorer(chosen, one.shown)) for one in chosen.detectors}


def _load_suite(root: Path, notes: Notes) -> None:
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
        raise UserError(f"the data sets of DeepfakeBench cannot be imported: {notes.shims}; {SUITE.install}")
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


def _dataset(base: type, root: Path, notes: Notes) -> type:
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


def _register(scorer: Scorer) -> str:
    import torch
    from metrics.registry import DETECTOR

    class OurDetector(torch.nn.Module):
        """One of d3qe-bench's detectors. It reads the files itself: `image` is a placeholder."""

        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__()

        def forward(self, data_dict: dict[str, Any], inference: bool = False) -> dict[str, Any]:
            labels = data_dict["label"]
            logits = torch.tensor(
                scorer.logits(data_dict["paths"], labels.tolist(), data_dict["test_set"]),
                dtype=torch.float64,
                device=labels.device,
            )
            both = torch.stack([torch.zeros_like(logits), logits], dim=1)
            return {"cls": both, "prob": logits.sigmoid(), "feat": logits[:, None]}

    name = f"d3qe_bench_{scorer.label}"
    DETECTOR.register_module(module_name=name)(OurDetector)
    return name


def start(host: HostRun) -> None:
    """Find the checkout and register the run's detectors."""
    root = SUITE.checkout(host.root)
    host.version = commit_of(root)
    _load_suite(root, host.notes)
    for detector in host.settings.detectors:
        host.names[detector.shown] = _register(host.scorer(detector.shown))


def evaluate(host: HostRun, label: str) -> Evaluation:
    """`training/test.py` in the checkout, on the user's `-- --test_dataset NAME…`."""
    import torch
    from metrics import utils

    parser = argparse.ArgumentParser(prog="d3qe-bench host run deepfakebench … --", add_help=False)
    parser.add_argument("--test_dataset", nargs="+", required=True)
    names = parser.parse_known_args(host.arguments)[0].test_dataset
    config = {**_CONFIG, "model_name": host.names[label], "cuda": torch.cuda.is_available()}
    file = (host.folder / f"{label}.yaml").resolve()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    root = SUITE.checkout(host.root)
    with chdir(root), observed(utils, "get_test_metrics") as returned:
        run_script(
            root / "training" / "test.py",
            ["--detector_path", str(file), "--weights_path", "", *host.arguments],
        )
    figures = [
        {key: float(value) for key, value in one.items() if key not in ("pred", "label")} for one in returned
    ]
    return Evaluation(host.scored(label), dict(zip(names, figures, strict=True)))


_CONFIG = {
    "compression": "c23",
    "frame_num": {"train": 32, "test": 32},
    "test_batchSize": 16,
    "workers": 0,
    "manualSeed": 1024,
    "cudnn": False,
}
"""What test.py reads of a detector's configuration; the rest comes from the suite's test_config.yaml."""
