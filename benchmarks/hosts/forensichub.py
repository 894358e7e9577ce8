"""Our detectors in ForensicHub: registered models, and a data set that leaves pictures as they are."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.hosts.cpu import cpu_for_cuda, one_rank
from benchmarks.hosts.forensichub_config import write_configuration
from benchmarks.hosts.host_run import HostRun
from benchmarks.hosts.observe import observed, run_script
from benchmarks.hosts.results import Evaluation
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import settings_for
from benchmarks.hosts.stubs import import_with_stubs, stub_if_broken
from benchmarks.hosts.suite import Notes, Suite

SUITE = Suite(
    name="forensichub",
    title="ForensicHub",
    licence="CC-BY-4.0",
    install="pip install --no-deps forensichub13==0.0.1 imdlbenco13==0.2.9, and pip install albumentations",
    distribution="forensichub13",
    versions=("0.0.1",),
)
DATASET = "D3QEBenchPictures"
"""Name of our data set: `path` is a JSON list of {"path", "label"}, as for the suite's AIGCLabelDataset."""


def register(
    detectors: Sequence[str] | None = None, *, notes: Notes | None = None, **settings: Any
) -> dict[str, str]:
    """Register our detectors as ForensicHub models, and the data set `D3QEBenchPictures` that feeds them.

    detectors: names in our registry, all by default. settings: as in a run's configuration.

    Returns:
        Our name → the model's name in ForensicHub.
    """
    SUITE.version()
    chosen = settings_for(detectors, SUITE.name, settings)
    return {one.shown: _register(Scorer(chosen, one.shown), notes or Notes()) for one in chosen.detectors}


def _register(scorer: Scorer, notes: Notes) -> str:
    stub_if_broken("torchaudio", notes, "its import of transformers")
    import_with_stubs("ForensicHub", notes, needed=("torch", "albumentations", "IMDLBenCo"))
    import torch
    from ForensicHub.core.base_dataset import BaseDataset
    from ForensicHub.core.base_model import BaseModel
    from ForensicHub.registry import register_dataset, register_model

    class OurModel(BaseModel):
        """One of d3qe-bench's detectors. It reads the files itself: `image` is a placeholder."""

        def __init__(self, **_: Any) -> None:
            super().__init__()
            self.anchor = torch.nn.Parameter(torch.zeros(1))  # the suite wants something to load and wrap

        def forward(self, image: Any, label: Any, path: Any, test_set: Any, **_: Any) -> dict[str, Any]:
            logits = scorer.logits([Path(p) for p in path], label.int().tolist(), test_set[0])
            scores = torch.tensor(logits, dtype=torch.float64, device=label.device).sigmoid()
            loss = torch.nn.functional.binary_cross_entropy(scores, label.double())
            return {"backward_loss": loss, "pred_label": scores, "visual_loss": {"loss": loss}}

    class OurDataset(BaseDataset):
        """Paths and labels of a JSON list; decoding and preprocessing are the detector's."""

        def __init__(self, test_set: str = "", **options: Any) -> None:
            self.test_set = test_set
            super().__init__(**options)

        def _init_dataset_path(self) -> None:
            listed = json.loads(Path(self.path).read_text(encoding="utf-8"))
            self.samples = [(str(Path(self.path).parent / one["path"]), one["label"]) for one in listed]

        def __len__(self) -> int:
            return len(self.samples)

        def __getitem__(self, index: int) -> dict[str, Any]:
            path, label = self.samples[index]
            placeholder = torch.zeros(3, 1, 1)
            return {
                "image": placeholder,
                "label": torch.tensor(float(label)),
                "path": path,
                "test_set": self.test_set,
            }

    name = f"d3qe_bench_{scorer.label}"
    register_model(name, force=True)(OurModel)
    register_dataset(DATASET, force=True)(OurDataset)
    return name


def start(host: HostRun) -> None:
    """Import the suite and register the run's detectors."""
    host.version = SUITE.version()
    for detector in host.settings.detectors:
        host.names[detector.shown] = _register(host.scorer(detector.shown), host.notes)


def evaluate(host: HostRun, label: str) -> Evaluation:
    """ForensicHub's `test.py` on the test sets of the configuration given as `-- --config FILE`."""
    from ForensicHub import training_scripts
    from IMDLBenCo.training_scripts import tester

    names, file = write_configuration(host, label, DATASET)
    script = Path(training_scripts.__path__[0], "test.py")
    with (
        cpu_for_cuda(host.notes, "its test.py"),
        one_rank(),
        patch.object(builtins, "print", print),  # which the suite exchanges for its own
        observed(tester, "test_one_epoch") as figures,
    ):
        run_script(script, ["--config", str(file)])
    return Evaluation(host.scored(label), dict(zip(names, figures, strict=True)))
