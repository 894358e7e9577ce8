"""How long `d3qe-bench run` takes from its call to its first score: `python -m benchmarks.speed.run_start`.

Two runs in turn, over as many pictures as asked for and over ten: what both take is the start of Python and torch.
Makes as many small pictures as asked for, indexes them as `data prepare` does, and starts the command as a user would. A
detector that notes when it is first called, and then ends the process, tells the time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks.commands.outcome import run_script
from benchmarks.datasets.arforensics import scan
from benchmarks.datasets.prepared import FOLDER_VARIABLE, PreparedSet, write_index
from registry import UserError

_PLUGIN = '''
import os, pathlib, time
import torch
from registry import Detector, View, hookimpl

class First(Detector):
    """Notes when it is first called, and ends the process."""
    inputs = {"picture": View(resize=32, crop=32)}

    def forward(self, inputs):
        pathlib.Path(os.environ["RUN_START"]).write_text(repr(time.monotonic()))
        os._exit(0)

@hookimpl
def register_detectors(register):
    register("first", First, summary=First.__doc__, needs_weights=False)
'''
_GENERATORS = ("Infinity", "Janus_Pro", "RAR", "Switti", "VAR")


def main(
    pictures: Annotated[int, typer.Option(help="Indexed pictures")] = 10_000,
    rounds: Annotated[int, typer.Option(help="Starts")] = 3,
) -> None:
    """Print the seconds from the call of the command to its first score, by the clock and of processor time."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = {count: Path(scratch, str(count)) for count in (10, pictures)}
        for count, folder in folders.items():
            _prepare(folder, count)
        for number in range(rounds):
            for count, folder in folders.items():
                clock, processor = _start(folder, number)
                print(
                    f"{count:,} pictures: first score after {clock:.2f} s, {processor:.2f} s of processor time"
                )


def _prepare(folder: Path, count: int) -> None:
    _make(folder / "ARForensics", count)
    os.environ[FOLDER_VARIABLE] = str(folder / "data")
    root = folder / "ARForensics"
    write_index(PreparedSet("ARForensics").index, scan(root), root, lambda new: None)
    (folder / "first.py").write_text(_PLUGIN, encoding="utf-8")


def _make(root: Path, count: int) -> None:
    """Test sets of equal size in ARForensics' layout: small noise, each picture another."""
    rng = np.random.default_rng(0)
    each = max(1, count // (2 * len(_GENERATORS)))
    (root / "val" / "0_real").mkdir(parents=True)
    (root / "val" / "1_fake").mkdir()
    for generator in _GENERATORS:
        for name in ("0_real", "1_fake"):
            target = root / "test" / generator / name
            target.mkdir(parents=True)
            for number in range(each):
                noise = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(noise).save(target / f"{number:05}.png")


def _start(folder: Path, number: int) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    noted = folder / f"noted-{number}"
    command = [sys.executable, "-m", "benchmarks.cli", "run", "--data", "ARForensics", "--detectors", "first"]
    command += ["--plugin", str(folder / "first.py"), "--out", str(folder / f"run-{number}")]
    environment = {**os.environ, "RUN_START": str(noted), FOLDER_VARIABLE: str(folder / "data")}
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not noted.is_file():
        raise UserError(f"the run did not get to its first score: {done.stderr.strip()}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(noted.read_text()) - began, used


if __name__ == "__main__":
    run_script(main)
