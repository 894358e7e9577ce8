"""What one step of training takes, in time and memory: with the frozen encoders, and with their features from the store.

    python -m benchmarks.speed.training_step [--detector d3qe] [--option KEY=VALUE] [--batch-size 32] [--device cuda]
        [--precision float32] [--steps 10]

The steps are the trainer's own: the batch goes to the device, encoders, loss, gradients and AdamW; decoding and building the networks are in
none of it. Random pictures, weights from a seed: the cost is that of trained ones. Both ways take steps in turn, after one
each that does not count, on a CPU in processor seconds; memory is that of one more step each. `--precision bfloat16`, on a GPU, is that of encoders and of the trained part.

Memory on a GPU is what tensors hold (torch's allocator), without its context and the workspaces of libraries; on a CPU it is the
resident set of the process, Python and torch among it. The encoders' weights are there in both ways, as in a training.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.commands.options import parse_value, split_pairs
from benchmarks.commands.outcome import run_script
from benchmarks.ranks import joined
from benchmarks.runfolder.provenance import device_name
from benchmarks.runner.cost_probe import memory_now, memory_peak
from benchmarks.speed.alternation import Way, alternately
from benchmarks.speed.planned_training import PlannedTraining, planned_training
from benchmarks.tables import print_table
from benchmarks.training.batches import Batch


def _next_step(training: PlannedTraining, batches: Iterator[Batch]) -> None:
    training.step(next(batches))


def memory_of(way: Way, device: torch.device) -> tuple[int | None, int | None]:
    """Bytes before a way is gone, and at most while it is."""
    before = memory_now(device)
    way()
    return before, memory_peak(device)


def _gigabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e9:.2f}"


def main(
    detector: Annotated[str, typer.Option(help="the detector that is trained")] = "d3qe",
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="of its constructor")] = None,
    batch_size: Annotated[int, typer.Option(help="pictures per step")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="how often each way is measured")] = 10,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    device: Annotated[str, typer.Option(help="as `train` takes it")] = "auto",
) -> None:
    """Print seconds and pictures a second, medians over steps, and memory, with the device's name."""
    options = {key: parse_value(value) for key, value in split_pairs(option or [], "--option").items()}
    with joined("none", device) as processes, tempfile.TemporaryDirectory() as folder:
        training = planned_training(
            Path(folder),
            processes,
            detector,
            options=options,
            pictures=2 * batch_size,
            batch_size=batch_size,
            precision=precision,
        )
        ways: dict[str, Way] = {
            name: partial(_next_step, training, cycle(list(loader)))
            for name, loader in [
                ("with encoders", training.without),
                ("from the store", training.with_store),
            ]
        }
        seconds = alternately(ways, steps, str(processes.device))
        memory = {name: memory_of(way, processes.device) for name, way in ways.items()}
        print(
            f"{detector}, {precision}, batches of {batch_size}, {steps} steps, {device_name(str(processes.device))}, "
            f"torch {torch.__version__}"
        )
    rows = [
        [
            name,
            f"{statistics.median(of_way):.4f}",
            f"{batch_size / statistics.median(of_way):.1f}",
            *map(_gigabytes, memory[name]),
        ]
        for name, of_way in seconds.items()
    ]
    print_table(rows, head=["way", "s / step", "pictures / s", "GB between steps", "GB at most"])


if __name__ == "__main__":
    run_script(main)
