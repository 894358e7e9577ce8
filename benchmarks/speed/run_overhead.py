"""Is a run slower than the plainest correct loop over the same networks? Both are measured in turn, in one process.

    python -m benchmarks.speed.run_overhead [--detectors d3qe] [--pictures 16] [--batch-size 8] [--rounds 3] [--device cpu]

The plain loop decodes, makes the views, stacks them, runs each encoder once and the head once per
batch, and keeps the logits. The run does the same through the registry's pipeline and mmengine's
Runner, and also writes rows, draws progress and can be resumed. Building the networks is in neither.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from benchmarks.commands.outcome import run_script
from benchmarks.runfolder.provenance import device_name
from benchmarks.runner.plan import Plan
from benchmarks.speed.alternation import Way, alternately, ratio
from benchmarks.speed.planned import only, planned, score
from benchmarks.tables import print_table
from registry import EncoderSpec, Feature, View
from registry.inputs import view_of


def make_pictures(root: Path, count: int, size: tuple[int, int] = (256, 256), suffix: str = "png") -> None:
    """`count` pictures of random pixels, of `size` (width, height), half of them called generated."""
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / "VAR" / ("0_real" if number % 2 else "1_fake")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{suffix}")


@torch.inference_mode()
def plain_loop(plan: Plan, files: Sequence[Path], batch_size: int) -> list[float]:
    """What anybody would write to score one detector."""
    (detector,) = plan.session.detectors.values()
    detector.eval()
    device = plan.session.device
    outputs: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
    for source in detector.inputs.values():
        if isinstance(source, Feature):
            outputs[source.encoder, source.view].add(source.output)
    logits: list[float] = []
    for start in range(0, len(files), batch_size):
        pictures = [Image.open(file).convert("RGB") for file in files[start : start + batch_size]]
        views = {
            view: torch.stack([view(p) for p in pictures]).to(device)
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


def main(
    detectors: Annotated[str, typer.Option(help="names, separated by commas; each on its own")] = "d3qe",
    pictures: Annotated[int, typer.Option(help="random pictures")] = 16,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 8,
    rounds: Annotated[int, typer.Option(help="how often each way is measured")] = 3,
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
) -> None:
    """Print seconds per picture of both ways and their ratio, medians over rounds, with the device's name."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder, "data"), pictures)
        files = sorted(Path(folder, "data").rglob("*.png"))
        whole = planned(Path(folder, "data"), detectors.split(","), device, batch_size=batch_size, workers=0)
        for name in whole.session.detectors:
            plan = only(whole, [name])
            ways: dict[str, Way] = {
                "plain loop": partial(plain_loop, plan, files, batch_size),
                "run": partial(score, plan, Path(folder, "runs")),
            }
            seconds = alternately(ways, rounds, device)
            each = [f"{1000 * np.median(of_way) / len(files):.2f}" for of_way in seconds.values()]
            ratios = sorted(a / b for a, b in zip(seconds["run"], seconds["plain loop"], strict=True))
            rows.append(
                [
                    name,
                    *each,
                    f"{ratio(seconds, 'run', 'plain loop'):.3f}",
                    f"{ratios[0]:.3f} to {ratios[-1]:.3f}",
                ]
            )
    print(
        f"{pictures} pictures in batches of {batch_size}, {rounds} rounds, {device_name(device)}, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print_table(
        rows, head=["detector", "plain loop, ms / picture", "run, ms / picture", "run / plain loop", "rounds"]
    )


if __name__ == "__main__":
    run_script(main)
