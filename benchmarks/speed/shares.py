"""Where the time of a run goes: decoding, views, each encoder, the head, and writing rows.

    python -m benchmarks.speed.shares [--detector d3qe] [--pictures 8] [--batch-size 4] [--precision float32] [--device cpu]

Random 256-pixel PNG pictures, weights from a seed. Each part is timed alone, batch by batch, after a batch that does
not count; processor seconds on a CPU.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.loading import open_session
from benchmarks.loading.scoring import PictureScore
from benchmarks.pictures import open_picture
from benchmarks.runfolder.provenance import device_name
from benchmarks.runfolder.scores import Cell
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.speed.alternation import now
from benchmarks.speed.run_overhead import make_pictures
from benchmarks.tables import print_table
from registry import Feature, Picture
from registry.inputs import Source
from registry.view import views_of


def main(
    detector: Annotated[str, typer.Option(help="the detector that is measured")] = "d3qe",
    pictures: Annotated[int, typer.Option(help="random pictures")] = 8,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 4,
    precision: Annotated[str, typer.Option(help="of the encoders' weights")] = "float32",
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
) -> None:
    """Print the milliseconds per picture and the share of each part."""
    session = open_session(
        detectors=[detector], allow_untrained=True, device=device, batch_size=batch_size, precision=precision
    )
    network, pool, views = session.detectors[detector].eval(), session.encoders, session.pipeline.views()
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def part(name: str) -> Iterator[None]:
        began = now(device)
        yield
        spent[name] += now(device) - began

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        make_pictures(Path(folder, "data"), pictures)
        files = sorted(Path(folder, "data").rglob("*.png"))
        writer = ShardWriter(Path(folder, "run"), flush_seconds=30)
        for number, start in enumerate([0, *range(0, len(files), batch_size)]):
            batch = files[start : start + batch_size]
            if number == 1:
                spent.clear()  # what came before was the first batch, which warms up
            with part("decoding"):
                decoded = [open_picture(file) for file in batch]
            with part("views"):
                samples = [views_of(picture, views) for picture in decoded]
                known: dict[Source, torch.Tensor] = {
                    view: view.values(torch.stack([sample[view] for sample in samples]).to(device))
                    for view in views
                }
            for (spec, view), outputs in session.pipeline.reads([detector]).items():
                with part(spec.variant):
                    found = pool.encode(spec, known[view], outputs)
                known.update({Feature(spec, view, output): found[output] for output in outputs})
            with part("head"):
                inputs = {name: known[source] for name, source in network.inputs.items()}
                logits = network(inputs).tolist()
            with part("writing"):
                for file, logit in zip(batch, logits, strict=True):
                    score = PictureScore(detector, "none", Picture(file.name, 0), logit, None)
                    writer.add(Cell(detector, "data", "none"), score.row("AR", "data"))
                if number == 0 or start + batch_size >= len(files):
                    writer.flush()
    print(f"{detector}, {precision}, {pictures} pictures in batches of {batch_size}, {device_name(device)}")
    whole = sum(spent.values())
    rows = [
        [name, f"{1000 * seconds / pictures:.2f}", f"{seconds / whole:.2%}"]
        for name, seconds in spent.items()
    ]
    print_table(rows, head=["part", "ms / picture", "share"])


if __name__ == "__main__":
    run_script(main)
