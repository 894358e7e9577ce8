"""`d3qe-bench audit`: what gives the labels of a data set away."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import (
    DataSettings,
    MaxPixels,
    Option,
    Plugins,
    Seed,
    StrictBool,
    StrictInt,
    parse_settings,
)
from benchmarks.pictures import MAX_PIXELS
from benchmarks.text import json_text

if TYPE_CHECKING:
    from benchmarks.audits import AuditReport


class AuditSettings(DataSettings):
    """What `d3qe-bench audit` does."""

    data: Annotated[list[str], Option(metavar="DATA", positional=True, commas=False)] = Field(
        description="folders, manifests, tar shards, Parquet files, addresses, NAME=FOLDER, or registered data sets"
    )
    train: Annotated[list[str], Option(metavar="DATA", commas=False)] = Field(
        [], description="training data, searched for overlap, too"
    )
    seed: Seed = Field(0, description="random seed of folds and permutations")
    permutations: StrictInt | None = Field(
        None, ge=99, description="permutations per test set; if not given, enough for the number of sets"
    )
    format: Literal["table", "markdown", "json"] = Field("table", description="form of the report")
    out: Path | None = Field(None, description="file to write instead of the terminal")
    strict: StrictBool = Field(False, description="exit 1 on a shortcut or an overlap as well")
    max_pixels: MaxPixels = MAX_PIXELS
    plugins: Plugins = Field([])


@takes(AuditSettings)
def audit(given: dict[str, Any]) -> None:
    """Find what gives the labels of a data set away.

    Can real and generated pictures be told apart without looking at the content?

    Exit code 0: every picture was examined, whatever was found; 1: some could not be read, or
    --strict and something is wrong; 2: the request was wrong.
    """
    from rich.console import Console

    from benchmarks import audits
    from benchmarks.datasets import find_test_sets
    from benchmarks.loading import load_catalogs
    from benchmarks.progress import ProgressBar
    from registry.files import atomic

    settings = parse_settings(AuditSettings, given, options=given)
    find = partial(
        find_test_sets, load_catalogs(settings.plugins).datasets, limit=settings.limit, fair=settings.fair
    )
    test_sets = find(
        settings.data,
        layout=settings.layout or None,
        options=settings.data_options,
        generators=settings.generators,
    )
    train_sets = find(settings.train) if settings.train else []
    total = sum(len(one.pictures) for one in [*test_sets, *train_sets])
    with ProgressBar("auditing", total) as bar:
        report = audits.audit(
            test_sets,
            train_sets,
            seed=settings.seed,
            permutations=settings.permutations,
            max_pixels=settings.max_pixels,
            on_picture=bar.advance,
        )
    if settings.out is not None:
        with atomic(settings.out) as draft:
            draft.write_text(_text(report, settings.format), encoding="utf-8")
    elif settings.format == "table":
        from benchmarks.audits.render import print_audit

        print_audit(report, Console())
    else:
        typer.echo(_text(report, settings.format), nl=False)
    raise typer.Exit(report.exit_code(settings.strict))


def _text(report: AuditReport, style: str) -> str:
    from rich.console import Console

    from benchmarks.audits.render import print_audit, to_markdown

    if style == "json":
        return json_text(report.as_json())
    if style == "markdown":
        return to_markdown(report)
    stream = io.StringIO()
    print_audit(report, Console(file=stream, width=200))
    return stream.getvalue()
