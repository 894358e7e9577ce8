"""The same detectors and pictures through DetectZoo's evaluator and through one run here, in turn, in one process.

    python -m benchmarks.speed.beside_detectzoo [--detectors univfd,rine,linear_probe] [--pictures 4] [--rounds 3]
        [--protocol uniform] [--batch-size 4] [--device cpu]

Needs `pip install "d3qe-bench[detectzoo]"`. Our detectors are registered there, and its `BenchmarkEvaluator` takes them one
after the other, picture by picture; here they go through one run, in batches. Both keep their networks between rounds, and
compute metrics at the end: here without intervals, which DetectZoo has none of. Random 256-pixel pictures, weights from a seed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.hosts import detectzoo
from benchmarks.hosts.suite import Notes
from benchmarks.metrics.cell import measure
from benchmarks.runfolder.provenance import device_name
from benchmarks.runfolder.scores import cells, read_rows
from benchmarks.runner.plan import Plan
from benchmarks.speed.alternation import Way, alternately, ratio
from benchmarks.speed.planned import planned, score
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.tables import print_table


def there(data: Path, detectors: Sequence[str], **settings: Any) -> Any:
    """A function that evaluates our detectors there; what it returns has the scores of each, by its name there."""
    suite = detectzoo.load_suite(Notes())
    names = detectzoo.register(detectors, allow_untrained=True, **settings)
    from detectzoo.benchmarks.evaluator import BenchmarkEvaluator
    from detectzoo.datasets.base import BaseDataset

    loaded = [suite.load_detector(name, device=settings.get("device", "cpu")) for name in names.values()]
    dataset = BaseDataset.from_directory(data / "VAR" / "0_real", data / "VAR" / "1_fake")
    evaluator = BenchmarkEvaluator(dataset, modality="image")
    return partial(evaluator.run, loaded, save_scores=True, unload_between=False)


def here(plan: Plan, within: Path) -> Path:
    """Score and measure; the run folder."""
    run = score(plan, within)
    metrics = {entry.name: entry.load() for entry in plan.session.catalogs.metrics}
    for cell in cells(run):
        rows = read_rows(run, cell)
        measure(metrics, rows.labels, rows.logits, 0, np.random.default_rng(0))
    return run


def main(
    detectors: Annotated[str, typer.Option(help="names, separated by commas")] = "univfd,rine,linear_probe",
    pictures: Annotated[int, typer.Option(help="random pictures")] = 4,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass, here")] = 4,
    rounds: Annotated[int, typer.Option(help="how often each is measured")] = 3,
    protocol: Annotated[str, typer.Option(help="as `run` takes it")] = "uniform",
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
) -> None:
    """Print seconds per picture of both and their ratio, medians over rounds, with the device's name."""
    names = detectors.split(",")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        make_pictures(data, pictures)
        plan = planned(data, names, device, batch_size=batch_size, protocol=protocol)
        ways: dict[str, Way] = {
            "DetectZoo": there(data, names, protocol=protocol, device=device),
            "here": partial(here, plan, Path(folder, "runs")),
        }
        seconds = alternately(ways, rounds, device)
    print(
        f"{detectors}, {pictures} pictures, {rounds} rounds, {protocol} protocol, DetectZoo {detectzoo.SUITE.version()}, "
        f"{device_name(device)}, load {os.getloadavg()[0]:.1f}"
    )
    rows = [[name, f"{np.median(of_way) / pictures:.4f}"] for name, of_way in seconds.items()]
    print_table(rows, head=["way", "s / picture"])
    print(f"DetectZoo takes {ratio(seconds, 'DetectZoo', 'here'):.2f} times as long")


if __name__ == "__main__":
    run_script(main)
