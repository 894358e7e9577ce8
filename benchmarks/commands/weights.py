"""`d3qe-bench weights`: what is published, what is here, and fetching it."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Show and fetch published weights.")


@app.command("list")
def list_weights() -> None:
    """Show every published weights file, its licence, and whether it has been fetched."""
    from rich.console import Console
    from rich.table import Table

    from benchmarks.loading import load_catalogs
    from benchmarks.loading.locate import stored, weights_folder

    catalogs = load_catalogs()
    table = Table(
        "name", "file", "source", "licence", "fetched", box=None, pad_edge=False, header_style="bold"
    )
    for catalog in (catalogs.detectors, catalogs.encoders):
        for entry in catalog:
            for published in entry.card.weights:
                here = "yes" if stored(entry.name, published).is_file() else "no"
                table.add_row(
                    entry.name, published.file, published.source, published.licence or "not stated", here
                )
    console = Console()
    console.print(table)
    console.print(f"weights folder: {weights_folder()}", markup=False, soft_wrap=True)


@app.command("get")
def get_weights(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Detectors, encoders, or open_clip/MODEL/TAG and timm/MODEL by those libraries' names"
        ),
    ],
) -> None:
    """Fetch the published weights of detectors or encoders into the weights folder."""
    from benchmarks.loading import load_catalogs
    from benchmarks.loading.locate import fetch

    catalogs = load_catalogs()
    for name in names:
        for file in fetch(catalogs, name):
            typer.echo(f"{name}: {file.path} (SHA-256 {file.sha256})")
