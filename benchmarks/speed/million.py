"""A million pictures through a whole run: start, memory, throughput, metrics and report, without the cost of decoding.

    python -m benchmarks.speed.million [--pictures 1000000] [--sets 1] [--batch-size 64] [--workers 0] [--bootstrap 0]

Writes a prepared data set's index, and files of the sizes that it states but without content, and runs what `d3qe-bench
run` and `d3qe-bench report` run. Only the decoder is replaced, by one that makes a small picture of a file's name. The
detector, of which this module is the plugin, takes a weighted mean of the pixels, and notes clock and memory as it goes.
Memory is that of the process and of those that decode for it, what they share counted once (Linux only).
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import torch
import typer
from PIL import Image

from benchmarks.datasets.prepared import COLUMNS, FOLDER_VARIABLE, PreparedSet, write_rows
from benchmarks.loading import samples
from benchmarks.runfolder.provenance import device_name
from benchmarks.tables import print_table
from registry import Detector, Picture, TestSet, UserError, View, hookimpl
from registry.hookspecs import Register

DATA_SET = "GenImage"
SIDE = 8
_FOLDER = 1000
"""Files of a folder."""
_NOTES = "MILLION_NOTES"
_EVERY = "MILLION_EVERY"
_PSS = "Pss:"


class Brightness(Detector):
    """Weighted mean of the pixels; notes pictures, clock and memory at its first call and every so many pictures."""

    inputs: Mapping[str, View] = {"picture": View()}

    def __init__(self) -> None:
        super().__init__()
        weights = 1 + torch.rand(3 * SIDE * SIDE, generator=torch.Generator().manual_seed(0)) / 100
        self.weights = torch.nn.Buffer(weights / weights.sum())
        self.seen = self.due = 0

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits (N,), of which half are right more often than not."""
        pictures = inputs["picture"]
        if self.seen >= self.due:
            self._note()
            self.due += int(os.environ[_EVERY])
        self.seen += len(pictures)
        return (pictures.flatten(1) @ self.weights - 0.52) * 40

    def _note(self) -> None:
        note = {
            "pictures": self.seen,
            "clock": time.monotonic(),
            "processor": time.process_time(),
            "memory": memory(),
        }
        with open(os.environ[_NOTES], "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(note)}\n")


@hookimpl
def register_detectors(register: Register) -> None:
    """The one detector of this module, which is given to a run as a plugin."""
    register("brightness", Brightness, summary="weighted mean of the pixels", needs_weights=False)


def memory() -> int:
    """Bytes in memory of this process and its children, pages that several share divided among them."""
    children = [
        child
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]
    return sum(_pss(process) for process in ("self", *children))


def _pss(process: str) -> int:
    lines = Path("/proc", process, "smaps_rollup").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(_PSS)))


def made_picture(picture: Picture) -> Image.Image:
    """Noise that only the path decides, brighter where the picture is generated."""
    noise = np.frombuffer(hashlib.shake_128(picture.path.encode()).digest(3 * SIDE * SIDE), np.uint8)
    shifted = noise * np.float32(0.9) + 10 * picture.label
    return Image.fromarray(shifted.astype(np.uint8).reshape(SIDE, SIDE, 3))


def _open_made(test_set: TestSet, picture: Picture, max_pixels: int) -> Image.Image:
    return made_picture(picture)


def prepare(pictures: int, sets: int, root: Path) -> None:
    """The index of so many pictures in so many test sets, half of each generated, and their files without content."""
    each = pictures // sets
    numbers = np.arange(each * sets)
    labels = numbers % 2
    names = [f"generator_{number // each:02}" for number in numbers]
    paths = [f"{number // _FOLDER:06}/picture_{number:010}.png" for number in numbers]
    sizes = 1000 + numbers % 1000
    for folder in dict.fromkeys(path.partition("/")[0] for path in paths):
        (root / folder).mkdir(parents=True)
    for path, size in zip(paths, sizes.tolist(), strict=True):
        with open(root / path, "wb") as file:
            file.truncate(size)
    columns = {
        "dataset": [f"diffusion/{name}" for name in names],
        "generator": names,
        "paradigm": ["diffusion"] * len(paths),
        "path": paths,
        "label": labels,
        "sha256": [hashlib.sha256(path.encode()).hexdigest() for path in paths],
        "size": sizes,
        "format": ["PNG"] * len(paths),
    }
    write_rows(PreparedSet(DATA_SET).index, pa.table(columns, COLUMNS), root)


def settings_of(out: Path, batch_size: int, workers: int, bootstrap: int) -> dict[str, Any]:
    """Settings of a run over the prepared pictures."""
    return {
        "data": [DATA_SET],
        "detectors": [{"name": "brightness"}],
        "plugins": [str(Path(__file__).resolve())],
        "device": "cpu",
        "batch_size": batch_size,
        "workers": workers,
        "bootstrap": bootstrap,
        "out": str(out),
    }


def run(settings: Mapping[str, Any]) -> None:
    """What `d3qe-bench run` does with these settings, with `made_picture` as decoder; prints what it used."""
    from rich.console import Console

    from benchmarks.config import RunSettings
    from benchmarks.runner.run import run_benchmark

    with patch.object(samples, "open_member", _open_made):
        run_benchmark(RunSettings.model_validate(settings), ["million"], Console(quiet=True))
    _print_used()


def report(folder: str, bootstrap: int) -> None:
    """What `d3qe-bench report` does with a run folder; prints what it used."""
    from benchmarks.reports import load_metrics, render

    load_metrics(Path(folder), bootstrap=bootstrap)
    render(Path(folder))
    _print_used()


def _print_used() -> None:
    """Processor seconds, and the peak of memory in bytes."""
    print(time.process_time(), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


@dataclass(frozen=True)
class _Used:
    """By a process. began, ended: of the clock; processor: its seconds; peak: bytes of memory."""

    began: float
    ended: float
    processor: float
    peak: int


def _process(call: str, environment: Mapping[str, str]) -> _Used:
    """Call a function of this module in a process of its own."""
    began = time.monotonic()
    code = f"from benchmarks.speed import million; million.{call}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise UserError(f"it ended with code {done.returncode} in {call.partition('(')[0]}")
    processor, peak = done.stdout.split()[-2:]
    return _Used(began, time.monotonic(), float(processor), int(peak))


def main(
    pictures: Annotated[int, typer.Option(help="pictures of the index")] = 1_000_000,
    sets: Annotated[int, typer.Option(help="test sets that they are in")] = 1,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 64,
    workers: Annotated[int, typer.Option(help="processes that decode")] = 0,
    bootstrap: Annotated[int, typer.Option(help="resamples for intervals; 0 for none")] = 0,
    folder: Annotated[Path | None, typer.Option(help="where to work, and to leave the run")] = None,
) -> None:
    """Print seconds and memory of each part of a run over so many pictures."""
    scratch = Path(folder or tempfile.mkdtemp(prefix="million-"))
    try:
        os.environ[FOLDER_VARIABLE] = str(scratch / "data")
        prepare(pictures, sets, scratch / "pictures")
        settings = settings_of(scratch / "run", batch_size, workers, bootstrap)
        notes = scratch / "notes"
        environment = {_NOTES: str(notes), _EVERY: str(max(1, pictures // 20))}
        scoring = _process(f"run({settings!r})", environment)
        noted = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
        reporting = _process(f"report({settings['out']!r}, {bootstrap})", {})
    finally:
        if folder is None:
            shutil.rmtree(scratch)
    first, last = noted[0], noted[-1]
    tenth = next(note for note in noted if note["pictures"] >= 0.1 * pictures)
    each = {
        key: (last[key] - first[key]) / max(1, last["pictures"] - first["pictures"])
        for key in ("clock", "processor")
    }
    # the last note comes shortly before the last picture
    end = {key: last[key] + each[key] * (pictures // sets * sets - last["pictures"]) for key in each}
    print(
        f"{pictures:,} pictures in {sets} test sets, batches of {batch_size}, {workers} workers, {bootstrap} resamples, "
        f"{device_name('cpu')}, load {os.getloadavg()[0]:.1f}"
    )
    parts = [
        ("to the first score", first["clock"] - scoring.began, first["processor"], first["memory"]),
        *(
            (f"{note['pictures']:,} scored", *(note[key] - first[key] for key in each), note["memory"])
            for note in (tenth, last)
        ),
        ("metrics", scoring.ended - end["clock"], scoring.processor - end["processor"], scoring.peak),
        ("report", reporting.ended - reporting.began, reporting.processor, reporting.peak),
    ]
    rows = [
        [name, f"{clock:.1f}", f"{processor:.1f}", f"{size / 2**20:,.0f}"]
        for name, clock, processor, size in parts
    ]
    print_table(rows, head=["part", "seconds", "of the processor", "MiB"])
    print(
        f"{1e6 * each['clock']:.0f} µs a picture, {1e6 * each['processor']:.0f} of the processor; "
        f"memory at the end of scoring {last['memory'] / tenth['memory']:.2f} × that at a tenth"
    )


if __name__ == "__main__":
    from benchmarks.commands.outcome import run_script

    run_script(main)
