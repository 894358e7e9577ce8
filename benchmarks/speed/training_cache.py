"""What the cache of frozen features saves: epochs with and without it, in turn, in one process.

    python -m benchmarks.speed.training_cache --pictures 8 --batch-size 4 --rounds 3

Both train the same detector, in full size by default, on the same random pictures without
augmentation; only where the encoders' features come from differs. Weights are drawn from a seed: the
cost is that of the trained ones. Building the networks is in neither; filling the cache is reported.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.commands.options import parse_value, split_pairs
from benchmarks.ranks import Processes, joined
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.alternation import now
from benchmarks.speed.planned_training import PlannedTraining, planned_training
from benchmarks.training.batches import Loader


def epoch_seconds(training: PlannedTraining, loader: Loader, device: str) -> float:
    """Seconds of one epoch of training by the clock, decoding among them."""
    began = now(device, clock=True)
    for batch in loader:
        training.step(batch)
    return now(device, clock=True) - began


def measure(asked: argparse.Namespace, root: Path, processes: Processes) -> dict[str, list[float]]:
    """Images per second of every round, with and without the cache."""
    training = planned_training(
        root,
        processes,
        asked.detector,
        options={k: parse_value(v) for k, v in split_pairs(asked.option, "--option").items()},
        pictures=asked.pictures,
        batch_size=asked.batch_size,
        workers=asked.workers,
    )
    print(f"cache filled at {asked.pictures / training.filling:.2f} images/s")
    loaders = {"with cache": training.with_store, "without": training.without}
    size = sum(path.stat().st_size for path in (root / "store").rglob("*.safetensors"))
    print(f"{size / asked.pictures / 1000:.1f} kB of cache per picture")
    device = str(processes.device)
    epoch_seconds(training, loaders["with cache"], device)  # warm-up
    speeds: dict[str, list[float]] = {name: [] for name in loaders}
    seen = len(loaders["without"]) * asked.batch_size
    for number in range(asked.rounds):
        order = list(loaders) if number % 2 else list(loaders)[::-1]
        for name in order:
            speeds[name].append(seen / epoch_seconds(training, loaders[name], device))
    return speeds


def main() -> None:
    """Print the speeds of every round and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--detector", default="d3qe")
    parser.add_argument("--option", action="append", help="KEY=VALUE constructor option")
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    with joined("none", asked.device) as processes, tempfile.TemporaryDirectory() as folder:
        print(f"{asked.detector} on {device_name(str(processes.device))}, batches of {asked.batch_size}")
        speeds = measure(asked, Path(folder), processes)
    for name, values in speeds.items():
        shown = ", ".join(f"{value:.2f}" for value in values)
        print(f"{name}: {shown} images/s (median {statistics.median(values):.2f})")
    ratios = [one / other for one, other in zip(speeds["with cache"], speeds["without"], strict=True)]
    print(f"speed-up: median {statistics.median(ratios):.1f}× over {asked.rounds} pairs")


if __name__ == "__main__":
    main()
