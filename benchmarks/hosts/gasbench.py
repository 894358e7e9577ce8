"""Our detectors in GASBench: model folders whose network takes the pictures that GASBench resized."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import yaml

from benchmarks.config import RunSettings
from benchmarks.hosts.host_run import HostRun
from benchmarks.hosts.results import Evaluation, SuitePicture
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import settings_for
from benchmarks.hosts.stubs import import_with_stubs
from benchmarks.hosts.suite import Notes, Suite, commit_of

if TYPE_CHECKING:
    from torch.nn import Module

SUITE = Suite(
    name="gasbench",
    title="GASBench",
    licence="MIT",
    install="git clone https://github.com/BitMind-AI/gasbench",
    files=("src/gasbench/cli.py", "src/gasbench/benchmarks/utils/custom_model_loader.py"),
)

_MODEL = '''"""{label} of d3qe-bench as a GASBench model."""

from benchmarks.hosts.gasbench import network


def load_model(weights_path, num_classes=2):
    return network({settings!r}, {label!r}, {journal!r})
'''


def register(
    detectors: Sequence[str] | None = None,
    folder: Path = Path("gasbench_models"),
    *,
    notes: Notes | None = None,
    **settings: Any,
) -> dict[str, Path]:
    """Write one model folder per detector for `gasbench run --image-model FOLDER`.

    detectors: names in our registry, all by default. settings: as in a run's configuration.

    Returns:
        Our name → the folder.
    """
    chosen = settings_for(detectors, SUITE.name, settings)
    return {
        one.shown: _write(Scorer(chosen, one.shown), folder / one.shown, notes or Notes())
        for one in chosen.detectors
    }


def _write(scorer: Scorer, folder: Path, notes: Notes) -> Path:
    import torch
    from safetensors.torch import save_file

    side = max(view.resize or view.crop or 256 for view in scorer.pipeline.views())
    scorer.release()  # the model folder builds its own
    notes.deviation(
        f"GASBench cuts pictures to a centred square and resizes that to {side}×{side} (OpenCV, bilinear) "
        f"before {scorer.label} sees them"
    )
    folder.mkdir(parents=True)
    config = {
        "name": scorer.label,
        "modality": "image",
        "preprocessing": {"resize": [side, side]},
        "model": {"num_classes": 2, "weights_file": "model.safetensors"},
    }
    (folder / "model_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    settings = scorer.settings.model_dump_json()
    journal = str(scorer.journal) if scorer.journal else None
    text = _MODEL.format(label=scorer.label, settings=settings, journal=journal)
    (folder / "model.py").write_text(text, encoding="utf-8")
    save_file({"anchor": torch.zeros(1)}, folder / "model.safetensors")  # the suite wants a file
    return folder


def network(settings: str, label: str, journal: str | None = None) -> Module:
    """uint8 (N, 3, height, width) → logits (N, 2) of real and generated. settings: a run's, as JSON."""
    import torch
    from torchvision.transforms.functional import to_pil_image

    scorer = Scorer(RunSettings(**json.loads(settings)), label, Path(journal) if journal else None)

    class OurNetwork(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.tensor(scorer.logits([to_pil_image(image) for image in images.cpu()]))
            return torch.stack([torch.zeros_like(logits), logits], dim=1)

    return OurNetwork()


def start(host: HostRun) -> None:
    """Find the checkout and make it importable."""
    root = SUITE.checkout(host.root)
    host.version = commit_of(root)
    if str(root / "src") not in sys.path:
        sys.path.insert(0, str(root / "src"))
    import_with_stubs("gasbench.benchmark", host.notes, needed=("torch", "cv2", "pandas", "pyarrow"))


def evaluate(host: HostRun, label: str) -> Evaluation:
    """`gasbench run` on pictures with the user's arguments, on the model folder of this detector."""
    import pandas as pd
    from gasbench import cli

    folder = _write(host.scorer(label), host.folder / label / "model", host.notes)
    where = ["--results-dir", str(host.folder / label), "--run-name", "results"]
    arguments = ["run", "--image-model", str(folder), *where, *host.arguments]
    with patch.object(sys, "argv", ["gasbench", *arguments]):
        if cli.main() != 0:
            raise RuntimeError("gasbench run did not succeed, see what it printed")
    results = host.folder / label / "results"
    records = pd.read_parquet(results / "records.parquet").to_dict("records")
    figures = json.loads((results / "results.json").read_text(encoding="utf-8"))["results"]
    return Evaluation({"images": _pictures(records, host, label)}, figures)


def _pictures(records: Sequence[Mapping[Any, Any]], host: HostRun, label: str) -> list[SuitePicture]:
    """The suite's records, in the order of scoring, with our logits."""
    cache = argparse.ArgumentParser(add_help=False)
    cache.add_argument("--cache-dir", default="/.cache/gasbench")
    root = Path(cache.parse_known_args(host.arguments)[0].cache_dir, "datasets")
    journal = iter(host.journal(label))
    pictures = []
    for record in records:
        failed = record["status"] != "ok"
        entry = {"logit": None, "error": record["error_message"]} if failed else next(journal)
        name = record["dataset_name"]
        path = root / name / "samples" / str(record["cache_relpath"])
        kind = int(record["media_type"] != "real")
        if record.get("aug_pass"):
            host.notes.deviation("GASBench's pass over altered pictures is in its own figures only")
        else:
            pictures.append(SuitePicture(str(path), kind, entry["logit"], entry["error"], name))
    return pictures
