"""k detectors in one run against k runs of one each, in turn.

    python -m benchmarks.speed.together [--detectors d3qe,univfd,rine,linear_probe] [--pictures 4] [--batch-size 4]
        [--rounds 3] [--protocol uniform] [--device cpu] [--command]

Random 256-pixel pictures, weights from a seed where there are none. Each detector's own run is in every round, too, so
that it is seen what the others add to the dearest. Building the networks is in none of it, but with `--command`,
where each run is a `d3qe-bench run` of its own, from the call to the metrics.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.alternation import alternately
from benchmarks.speed.planned import only, planned, score
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.tables import print_table
from registry import UserError

Run = Callable[[Sequence[str]], Path]
"""Scores by the named detectors into a new folder."""


def commanded(data: Path, within: Path, options: Sequence[str], names: Sequence[str]) -> Path:
    """Score by the command, as a user would; the run folder."""
    within.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(dir=within), "run")
    command = [sys.executable, "-m", "benchmarks.cli", "run", "--data", str(data), "--out", str(out)]
    command += ["--detectors", ",".join(names), "--allow-untrained", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`{' '.join(command[1:])}` ended with code {done.returncode}: {done.stderr.strip()}")
    return out


def main(
    detectors: Annotated[
        str, typer.Option(help="names, separated by commas")
    ] = "d3qe,univfd,rine,linear_probe",
    pictures: Annotated[int, typer.Option(help="random pictures")] = 4,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 4,
    rounds: Annotated[int, typer.Option(help="how often each way is measured")] = 3,
    protocol: Annotated[str, typer.Option(help="as `run` takes it")] = "uniform",
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
    command: Annotated[
        bool, typer.Option("--command", help="through the command, start and metrics included")
    ] = False,
) -> None:
    """Print seconds per picture and ratios, medians over rounds, with the device's name."""
    names = detectors.split(",")
    with tempfile.TemporaryDirectory() as folder:
        data, runs = Path(folder, "data"), Path(folder, "runs")
        make_pictures(data, pictures)
        if command:
            options = ["--batch-size", str(batch_size), "--protocol", protocol, "--device", device]
            run: Run = partial(commanded, data, runs, options)
        else:
            plan = planned(data, names, device, batch_size=batch_size, protocol=protocol)
            run = lambda names: score(only(plan, names), runs)  # noqa: E731
        seconds = alternately(
            {"together": partial(run, names), **{name: partial(run, [name]) for name in names}},
            rounds,
            device,
        )
    alone = np.array([seconds[name] for name in names])
    taken = {
        **{f"{name} alone": of_way for name, of_way in zip(names, alone, strict=True)},
        f"{len(names)} runs": alone.sum(0),
        "one run of all": np.array(seconds["together"]),
    }
    print(
        f"{pictures} pictures in batches of {batch_size}, {protocol} protocol, {rounds} rounds, {device_name(device)}, "
        f"load {os.getloadavg()[0]:.1f}{', by the command' if command else ''}"
    )
    # with which runs the one run is compared, round by round
    dearest = alone[np.median(alone, 1).argmax()]
    rows = [
        [
            name,
            f"{np.median(of_way) / pictures:.4f}",
            f"{np.median(of_way / dearest):.2f}",
            f"{np.median(of_way / alone.sum(0)):.2f}",
        ]
        for name, of_way in taken.items()
    ]
    print_table(rows, head=["way", "s / picture", "× the dearest alone", f"× {len(names)} runs"])


if __name__ == "__main__":
    run_script(main)
