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
import time
from pathlib import Path
from typing import Any

from benchmarks.commands.options import parse_value, split_pairs
from benchmarks.config import parse_settings
from benchmarks.datasets import find_test_sets
from benchmarks.ranks import Processes, joined
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.training.batches import Loader, build_loaders
from benchmarks.training.engine import TrainingModel
from benchmarks.training.features import cached_features
from benchmarks.training.inventory import Splits, take_inventory
from benchmarks.training.schedule import build_optimizer
from benchmarks.training.settings import NO_AUGMENTATION, TrainSettings
from benchmarks.training.trainer import build
from registry import load_plugins
from registry.inputs import InputReader


def epoch_seconds(model: TrainingModel, optimizer: Any, loader: Loader, device: Any) -> float:
    """Seconds of one epoch of training."""
    import torch

    model.train()
    start = time.perf_counter()
    for batch in loader:
        model.train_step(batch, optimizer)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(asked: argparse.Namespace, root: Path, processes: Processes) -> dict[str, list[float]]:
    """Images per second of every round, with and without the cache."""
    make_pictures(root / "data", asked.pictures)
    catalogs = load_plugins()
    values = {
        "detector": {
            "name": asked.detector,
            "options": {k: parse_value(v) for k, v in split_pairs(asked.option, "--option").items()},
        },
        "data": {"sets": [str(root / "data")]},
        "out": root / "out",
        "batch_size": asked.batch_size,
        "allow_untrained": True,
        "augmentation": NO_AUGMENTATION.model_dump(),
        "workers": asked.workers,
    }
    plain = parse_settings(TrainSettings, values, "measurement")
    cached = parse_settings(TrainSettings, {**values, "features": root / "cache"}, "measurement")
    found = find_test_sets(catalogs.datasets, plain.data.sets)
    splits = Splits(take_inventory(found, max_pixels=plain.max_pixels), None)
    detector, pool, _ = build(plain, catalogs, processes.device)
    reader = InputReader(detector.inputs, pool)
    model = TrainingModel(detector, reader).to(processes.device)
    optimizer = build_optimizer(plain, detector, processes.device)
    for encoder, _ in reader.groups():
        pool.get(encoder)
    start = time.perf_counter()
    features = cached_features(cached, splits, reader, processes)
    print(f"cache filled at {asked.pictures / (time.perf_counter() - start):.2f} images/s")
    sources = list(reader.inputs.values())
    loaders = {
        "with cache": build_loaders(cached, splits, sources, features, processes)[0],
        "without": build_loaders(plain, splits, sources, ({}, {}), processes)[0],
    }
    size = sum(path.stat().st_size for path in (root / "cache").rglob("*.safetensors"))
    print(f"{size / asked.pictures / 1000:.1f} kB of cache per picture")
    epoch_seconds(model, optimizer, loaders["with cache"], processes.device)  # warm-up
    speeds: dict[str, list[float]] = {name: [] for name in loaders}
    seen = len(loaders["without"]) * asked.batch_size
    for number in range(asked.rounds):
        order = list(loaders) if number % 2 else list(loaders)[::-1]
        for name in order:
            speeds[name].append(seen / epoch_seconds(model, optimizer, loaders[name], processes.device))
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
