"""JPEG files to scores against the number of decoding processes.

    python -m benchmarks.speed.workers [--detectors cheap,d3qe_mini] [--workers 0,1,2,4] [--pictures 100] [--width 1024]
        [--height 768] [--batch-size 16] [--rounds 3] [--device cpu]

`cheap` is a detector of this script, the mean of a small view, beside which decoding is all there is. Seconds are those of the
clock, since the work is that of several processes: what else runs on the machine lengthens them.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
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


class Cheap(Detector):
    """Mean of a small view."""

    inputs: Mapping[str, View] = {"picture": View(resize=64, crop=64)}

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits (N,)."""
        return inputs["picture"].mean((1, 2, 3)) - 0.5


@hookimpl
def register_detectors(register: Register) -> None:
    """The one detector of this module, which is given to a run as a plugin."""
    register("cheap", Cheap, summary="mean of a small view", needs_weights=False)


def main(
    detectors: Annotated[
        str, typer.Option(help="names, separated by commas; each on its own")
    ] = "cheap,d3qe_mini",
    workers: Annotated[str, typer.Option(help="numbers of processes, separated by commas")] = "0,1,2,4",
    pictures: Annotated[
        int, typer.Option(help="random JPEG files, which are dearer to decode than photographs")
    ] = 100,
    width: Annotated[int, typer.Option(help="of the files, in pixels")] = 1024,
    height: Annotated[int, typer.Option(help="of the files, in pixels")] = 768,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 16,
    rounds: Annotated[int, typer.Option(help="how often each number is measured")] = 3,
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
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
            plugins=[Path(__file__)],
        )
        for name in whole.session.detectors:
            run = partial(score, only(whole, [name]), Path(folder, "runs"))
            ways: dict[str, Way] = {str(number): partial(run, workers=number) for number in numbers}
            seconds = alternately(ways, rounds, device, clock=True)
            base = np.array(seconds[str(numbers[0])])
            rows += [
                [
                    name,
                    number,
                    f"{pictures / np.median(of_way):.1f}",
                    f"{np.median(base / np.array(of_way)):.2f}",
                ]
                for number, of_way in seconds.items()
            ]
    print(
        f"{pictures} JPEG files of {width}×{height}, batches of {batch_size}, {rounds} rounds, {device_name(device)}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print_table(rows, head=["detector", "workers", "pictures / s", f"× {numbers[0]} workers"])


if __name__ == "__main__":
    run_script(main)
