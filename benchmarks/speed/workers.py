"""JPEG files to scores against the number of decoding processes.

    python -m benchmarks.speed.workers [--detectors cheap,two_views,d3qe_mini] [--workers 0,1,2,4] [--pictures 100] [--width 1024]
        [--height 768] [--batch-size 16] [--rounds 3] [--device cpu] [--precision float32]

`cheap` and `two_views` are detectors of this script, the mean of a small view and those of the two that D³QE reads, beside
which decoding is all there is. Pictures a second are by the clock, since the work is that of several processes: what else runs
on the machine lengthens it. Beside them stands the processor time of the process that has the networks: with enough
others to decode, it bounds how many pictures a second one GPU can be given.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.alternation import Way, alternately
from benchmarks.speed.planned import only, planned, score
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.tables import print_table
from registry import Detector, View, hookimpl
from registry.hookspecs import Register
from registry.view import CLIP_MEAN, CLIP_STD


class Cheap(Detector):
    """Mean of a small view."""

    inputs: Mapping[str, View] = {"picture": View(resize=64, crop=64)}

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits (N,)."""
        return inputs["picture"].mean((1, 2, 3)) - 0.5


class TwoViews(Detector):
    """Means of the two views that D³QE reads, without its networks."""

    inputs: Mapping[str, View] = {
        "tokenizer": View(resize=256, crop=256, mean=(0.5,) * 3, std=(0.5,) * 3),
        "clip": View(resize=256, crop=224, mean=CLIP_MEAN, std=CLIP_STD),
    }

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits (N,)."""
        return inputs["tokenizer"].mean((1, 2, 3)) + inputs["clip"].mean((1, 2, 3))


@hookimpl
def register_detectors(register: Register) -> None:
    """The detectors of this module, which is given to a run as a plugin."""
    register("cheap", Cheap, summary="mean of a small view", needs_weights=False)
    register("two_views", TwoViews, summary="means of two larger ones", needs_weights=False)


def _noting(way: Callable[[], object], spent: list[float]) -> None:
    """Go a way, and note the processor time of this process alone."""
    began = time.process_time()
    way()
    spent.append(time.process_time() - began)


def main(
    detectors: Annotated[
        str, typer.Option(help="names, separated by commas; each on its own")
    ] = "cheap,two_views,d3qe_mini",
    workers: Annotated[str, typer.Option(help="numbers of processes, separated by commas")] = "0,1,2,4",
    pictures: Annotated[
        int, typer.Option(help="random JPEG files, which are dearer to decode than photographs")
    ] = 100,
    width: Annotated[int, typer.Option(help="of the files, in pixels")] = 1024,
    height: Annotated[int, typer.Option(help="of the files, in pixels")] = 768,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 16,
    rounds: Annotated[int, typer.Option(help="how often each number is measured")] = 3,
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
    precision: Annotated[str, typer.Option(help="of the encoders, as `run` takes it")] = "float32",
) -> None:
    """Print pictures a second by number of workers, medians over rounds, with the device's name."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create"
    )  # more than cores are measured on purpose
    numbers = [int(number) for number in workers.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder, "data"), pictures, (width, height), "jpg")
        whole = planned(
            Path(folder, "data"),
            detectors.split(","),
            device,
            batch_size=batch_size,
            precision=precision,
            plugins=[Path(__file__)],
        )
        for name in whole.session.detectors:
            run = partial(score, only(whole, [name]), Path(folder, "runs"))
            own: dict[str, list[float]] = defaultdict(list)
            ways: dict[str, Way] = {
                str(number): partial(_noting, partial(run, workers=number), own[str(number)])
                for number in numbers
            }
            seconds = alternately(ways, rounds, device, clock=True)
            base = np.array(seconds[str(numbers[0])])
            rows += [
                [
                    name,
                    number,
                    f"{pictures / np.median(of_way):.1f}",
                    f"{np.median(base / np.array(of_way)):.2f}",
                    f"{1000 * np.median(own[number][1:]) / pictures:.2f}",
                ]
                for number, of_way in seconds.items()
            ]
    print(
        f"{pictures} JPEG files of {width}×{height}, {precision}, batches of {batch_size}, {rounds} rounds, {device_name(device)}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print_table(
        rows, head=["detector", "workers", "pictures / s", f"× {numbers[0]} workers", "ms of one process"]
    )


if __name__ == "__main__":
    run_script(main)
