"""`d3qe-bench weights`: what is published, what is here, and fetching it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Show and fetch published weights.")


@app.command("list")
def list_weights(
    as_json: Annotated[
        bool, typer.Option("--json", help="Every fact, for programs: source, SHA-256 and more")
    ] = False,
) -> None:
    """Show published weights files, their licences, and which are here."""
    from benchmarks.loading import load_catalogs
    from benchmarks.loading.locate import stored, weights_folder
    from benchmarks.tables import print_table

    catalogs = load_catalogs()
    facts = [
        {"name": entry.name, **asdict(published), "path": str(path), "fetched": path.is_file()}
        for catalog in (catalogs.detectors, catalogs.encoders)
        for entry in catalog
        for published in entry.card.weights
        for path in (stored(entry.name, published),)
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    rows = [
        (
            one["name"],
            "yes" if one["fetched"] else "no",
            one["licence"] or "not stated",
            one["file"].rsplit("/", 1)[-1],
        )
        for one in facts
    ]
    print_table(rows, head=("name", "fetched", "licence", "file"))
    typer.echo(f"weights folder: {weights_folder()}")


@app.command("get")
def get_weights(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Detectors, encoders, or open_clip/MODEL/TAG and timm/MODEL by those libraries' names"
        ),
    ],
) -> None:
    """Fetch published weights into the weights folder."""
    from benchmarks.loading import load_catalogs
    from benchmarks.loading.locate import fetch

    catalogs = load_catalogs()
    for name in names:
        for file in fetch(catalogs, name):
            typer.echo(f"{name}: {file.path} (SHA-256 {file.sha256})")
