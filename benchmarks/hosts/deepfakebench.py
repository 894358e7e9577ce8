"""Our detectors in DeepfakeBench: registered in its `DETECTOR` table, tested by its `training/test.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from benchmarks.hosts.deepfakebench_imports import load_suite
from benchmarks.hosts.host_run import HostRun
from benchmarks.hosts.observe import observed, run_script
from benchmarks.hosts.results import Evaluation
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import settings_for
from benchmarks.hosts.suite import Notes, Suite, commit_of

SUITE = Suite(
    name="deepfakebench",
    title="DeepfakeBench",
    licence="CC-BY-NC-4.0",
    install="git clone https://github.com/SCLBD/DeepfakeBench and pip install lmdb albumentations tensorboard",
    files=("training/test.py", "training/metrics/registry.py", "training/dataset/abstract_dataset.py"),
)


def register(
    detectors: Sequence[str] | None = None, *, root: Path, notes: Notes | None = None, **settings: Any
) -> dict[str, str]:
    """Register our detectors as DeepfakeBench detectors, to be named as `model_name` of a configuration.

    detectors: names in our registry, all by default. root: the checkout, which also becomes
        importable. settings: as in a run's configuration.

    Returns:
        Our name → its name in DeepfakeBench.
    """
    load_suite(SUITE.checkout(root), notes or Notes())
    chosen = settings_for(detectors, SUITE.name, settings)
    return {one.shown: _register(Scorer(chosen, one.shown)) for one in chosen.detectors}


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
    load_suite(root, host.notes)
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
