"""`d3qe-bench weights`: what is published, what is here, and fetching it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.text import json_text, say
from registry.errors import UserError

if TYPE_CHECKING:
    from registry import PublishedWeights

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
        typer.echo(json_text(facts), nl=False)
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
    say(f"weights folder: {weights_folder()}")


@app.command("get")
def get_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Detectors, encoders, or open_clip/MODEL/TAG and timm/MODEL by those libraries' names",
            show_default=False,
        ),
    ] = None,
    needed_by: Annotated[
        Path | None,
        typer.Option(
            "--for",
            metavar="CONFIG",
            help="All that the detectors of a run's configuration need, their encoders' too",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fetch published weights into the weights folder; each file's licence is shown before its download.

    Exit code 0: all of them are here; 2: one cannot be had, and why.
    """
    from benchmarks.config import RunSettings, parse_settings, read_settings
    from benchmarks.loading import load_catalogs
    from benchmarks.loading.locate import fetch

    wanted = list(names or ())
    catalogs = load_catalogs()
    if needed_by:
        from benchmarks.loading.needs import weights_needed

        settings = parse_settings(RunSettings, read_settings(needed_by), str(needed_by))
        catalogs = load_catalogs(settings.plugins)
        wanted += [need.name for need in weights_needed(settings, catalogs) if not need.path]
    elif not wanted:
        raise UserError("name what to fetch, or the configuration that needs it with --for CONFIG")
    problems = []
    for name in wanted:
        try:
            for file in fetch(catalogs, name, announce=_announce):
                say(f"{name}: {file.path} (SHA-256 {file.sha256})")
        except UserError as error:  # the others can be had all the same
            problems.append(str(error))
    if problems:
        raise UserError("; ".join(problems))
    if not wanted:
        say(f"all that {needed_by} needs is here")


def _announce(name: str, published: PublishedWeights) -> None:
    say(
        f"{name}: fetching {published.file} from {published.source}; licence: {published.licence or 'not stated'}"
    )
