"""A look at the pictures: one sheet per test set, photographs' crops above, generated pictures below.

python -m tools.mini.contact_sheet
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw

from benchmarks.commands.outcome import run_script
from benchmarks.mini.dataset import scan
from registry.dataset import FAKE, REAL, TestSet
from tools.mini.photos import SIDE, SOURCES

DOCS = Path(__file__).parents[2] / "benchmarks" / "docs"
_ZOOM = 2
_MARGIN = 8
_CAPTION = 18


def contact_sheet(test_set: TestSet, rows: int = 4) -> Image.Image:
    """The first pictures of both classes; each column shows one photograph's class."""
    blocks = [
        (f"{test_set.name}: crops of photographs", _block(test_set, REAL, rows)),
        (f"{test_set.name}: generated", _block(test_set, FAKE, rows)),
    ]
    width, height = blocks[0][1].size
    sheet = Image.new("RGB", (width + 2 * _MARGIN, 2 * (height + _CAPTION + _MARGIN) + _MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for caption, block in blocks:
        draw.text((_MARGIN, top), caption, fill="black")
        sheet.paste(block, (_MARGIN, top + _CAPTION))
        top += _CAPTION + height + _MARGIN
    return sheet


def _block(test_set: TestSet, label: int, rows: int) -> Image.Image:
    columns = len(SOURCES)
    chosen = [picture for picture in test_set.pictures if picture.label == label][: rows * columns]
    pictures = np.stack([np.asarray(Image.open(test_set.root / picture.path)) for picture in chosen])
    grid = (
        pictures.reshape(rows, columns, SIDE, SIDE, 3).swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE, 3)
    )
    return Image.fromarray(grid).resize(
        (_ZOOM * columns * SIDE, _ZOOM * rows * SIDE), Image.Resampling.NEAREST
    )


def main(out: Annotated[Path, typer.Option(help="Folder of the sheets.")] = DOCS) -> None:
    """Write one PNG per test set."""
    out.mkdir(parents=True, exist_ok=True)
    for test_set in scan():
        path = out / f"{test_set.name.replace('/', '_')}.png"
        contact_sheet(test_set).save(path, optimize=True)
        typer.echo(path)


if __name__ == "__main__":
    run_script(main)
