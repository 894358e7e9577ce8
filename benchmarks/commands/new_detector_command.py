"""`d3qe-bench new-detector`: a package to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.text import say


def new_detector(
    name: Annotated[
        str, typer.Argument(help="Name of the detector and its Python package, as in my_detector")
    ],
    into: Annotated[Path, typer.Option(help="Folder that the package's folder goes into")] = Path(),
) -> None:
    """Write a package to start a detector from.

    It has a detector, its card, a test and a README. Nothing is overwritten.
    """
    from benchmarks.loading import load_catalogs
    from benchmarks.scaffold import new_detector as write

    folder = write(name, into, load_catalogs())
    written = [f"written: {file}" for file in sorted(folder.rglob("*")) if file.is_file()]
    following = [f"next: pip install --no-build-isolation --editable {folder}", f"      pytest {folder}"]
    for line in [*written, *following]:
        say(line)
