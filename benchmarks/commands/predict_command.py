"""`d3qe-bench predict`: scores of pictures that have no labels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import DetectorSettings, Option, Seed, SessionSettings, StrictInt, parse_settings
from benchmarks.text import csv_text, json_text, plain, say

COLUMNS = ["path", "detector", "untrained", "logit", "score", "error"]


class PredictSettings(SessionSettings):
    """What `d3qe-bench predict` does."""

    pictures: Annotated[list[str], Option(metavar="PICTURE", positional=True, commas=False)] = Field(
        description="files, folders, tar shards, Parquet files, addresses, or quoted patterns such as 'in/**/*.png'"
    )
    detectors: Annotated[list[DetectorSettings], Option(metavar="[LABEL=]NAME")] = Field(
        min_length=1, description="detectors to score with"
    )
    format: Literal["table", "json", "csv"] = Field("table", description="form of the scores")
    out: Path | None = Field(None, description="file to write instead of the terminal")
    workers: StrictInt = Field(0, ge=0, description="decoding processes")
    seed: Seed = Field(0, description="random seed of untrained weights")


@takes(PredictSettings)
def predict(given: dict[str, Any]) -> None:
    """Print P(generated) of pictures without labels.

    Exit code 0: all were scored; 1: some were not, with the reason in their row; 2: wrong request.
    """
    from benchmarks.loading import open_session
    from benchmarks.loading.memory import find_pictures

    settings = parse_settings(PredictSettings, given, options=given)
    files = find_pictures(settings.pictures)
    session = open_session(settings)
    for name, reason in session.failed.items():
        say(f"failed: {name}: {reason}", err=True)
    untrained = {name: record["untrained"] for name, record in session.records.items()}
    frame = session.score(files, workers=settings.workers)
    if settings.features is not None:
        from benchmarks.runfolder.record import EncoderPasses

        for encoder, passes in session.encoders.passes.items():
            say(f"{encoder}: {(EncoderPasses() + passes).line}", err=True)
    frame["untrained"] = frame["detector"].map(untrained)
    rows = [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in frame[COLUMNS].astype(object).to_dict("records")
    ]
    text = {"table": _table, "json": json_text, "csv": _csv}[settings.format](rows)
    if settings.out is None:
        typer.echo(text, nl=False)
    else:
        from registry.files import atomic

        with atomic(settings.out) as draft:
            draft.write_text(text, encoding="utf-8")
    raise typer.Exit(1 if session.failed or any(row["error"] for row in rows) else 0)


def _csv(rows: list[dict[str, Any]]) -> str:
    return csv_text(COLUMNS, rows)


def _table(rows: list[dict[str, Any]]) -> str:
    """One line per picture, one column per detector: P(generated), and the reasons of failures below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(row["detector"] for row in rows))
    marked = {row["detector"] for row in rows if row["untrained"]}
    table = Table("picture", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(Text(plain(name + (" (untrained)" if name in marked else ""))), justify="right")
    by_picture: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_picture.setdefault(row["path"], {})[row["detector"]] = row
    for path, scored in by_picture.items():
        cells = (scored.get(name) for name in names)
        table.add_row(
            Text(plain(path)),
            *("" if c is None else "error" if c["error"] else f"{c['score']:.4f}" for c in cells),
        )
    stream = io.StringIO()
    console = Console(
        file=stream, width=max(80, *(len(plain(path)) for path in by_picture)) + 24 * len(names)
    )
    console.print(table)
    for row in rows:
        if row["error"]:
            console.print(
                plain(f"{row['path']}: {row['detector']}: {row['error']}"), markup=False, soft_wrap=True
            )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
