"""Is a run slower than a plain loop over the same networks? Both are measured in turn, in one process.

    python -m benchmarks.speed.run_overhead --detector d3qe --pictures 16 --batch-size 8 --rounds 3

The plain loop decodes, makes the views, stacks them, runs each encoder once and the head once per
batch, and keeps the logits. The run does the same through the registry's pipeline and mmengine's
Runner, and also writes rows, draws progress and can be resumed. Building the networks is in neither.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from benchmarks.config import DetectorSettings, RunSettings
from benchmarks.ranks import joined
from benchmarks.runfolder.provenance import device_name
from benchmarks.runner.plan import Plan, make_plan
from benchmarks.runner.score import score_pending
from registry import EncoderSpec, Feature, View
from registry.inputs import view_of


def make_pictures(root: Path, count: int) -> None:
    """`count` PNG pictures of 256×256 random pixels, half of them called generated."""
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / "VAR" / ("0_real" if number % 2 else "1_fake")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (256, 256, 3), np.uint8)).save(folder / f"{number}.png")


@torch.inference_mode()
def plain_loop(plan: Plan, files: Sequence[Path], batch_size: int) -> list[float]:
    """What anybody would write to score one detector."""
    (detector,) = plan.session.detectors.values()
    detector.eval()
    outputs: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
    for source in detector.inputs.values():
        if isinstance(source, Feature):
            outputs[source.encoder, source.view].add(source.output)
    logits: list[float] = []
    for start in range(0, len(files), batch_size):
        pictures = [Image.open(file).convert("RGB") for file in files[start : start + batch_size]]
        views = {
            view: torch.stack([view(p) for p in pictures])
            for view in dict.fromkeys(map(view_of, detector.inputs.values()))
        }
        features = {
            (spec, view): plan.session.encoders.get(spec)(views[view], names)
            for (spec, view), names in outputs.items()
        }
        inputs = {
            name: features[source.encoder, source.view][source.output]
            if isinstance(source, Feature)
            else views[source]
            for name, source in detector.inputs.items()
        }
        logits += detector(inputs).tolist()
    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="d3qe")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    quiet = Console(quiet=True)
    with tempfile.TemporaryDirectory() as folder, joined("none", "cpu") as processes:
        root = Path(folder)
        make_pictures(root / "data", arguments.pictures)
        files = sorted((root / "data").rglob("*.png"))
        settings = RunSettings(
            data=[str(root / "data")],
            detectors=[DetectorSettings(name=arguments.detector)],
            allow_untrained=True,
            batch_size=arguments.batch_size,
            out=root / "run",
            device="cpu",
        )
        plan = make_plan(settings, processes)
        plain_loop(plan, files[: arguments.batch_size], arguments.batch_size)  # warm up
        ratios = []
        for number in range(arguments.rounds):
            settings = settings.model_copy(update={"out": root / f"run-{number}"})
            plan = replace(plan, settings=settings)
            began = time.perf_counter()
            plain_loop(plan, files, arguments.batch_size)
            plain = time.perf_counter() - began
            began = time.perf_counter()
            score_pending(plan, quiet)
            run = time.perf_counter() - began
            ratios.append(run / plain)
            per_picture = f"plain loop {plain / len(files):.3f} s, run {run / len(files):.3f} s per picture"
            print(f"round {number + 1}: {per_picture}, ratio {run / plain:.3f}", flush=True)
    print(
        f"{arguments.detector}, batch {arguments.batch_size}, {device_name('cpu')}, torch {torch.__version__}: "
    )
    print(f"median ratio run / plain loop {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
