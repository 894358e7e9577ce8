"""`d3qe-bench predict`: scores of pictures that have no labels."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from benchmarks.commands.options import parse_detectors, split_paths


class Format(StrEnum):
    """How the scores are written."""

    table = "table"
    json = "json"
    csv = "csv"


Text = Optional[list[str]]  # noqa: UP045 - typer reads the annotation at run time


def predict(
    pictures: Annotated[
        list[str], typer.Argument(help="Files, folders, or quoted patterns such as 'in/**/*.png'")
    ],
    detectors: Annotated[list[str], typer.Option(help="Names, comma-separated")],
    option: Annotated[Text, typer.Option(help="DETECTOR.OPTION=VALUE constructor option")] = None,
    weights: Annotated[Text, typer.Option(help="NAME=PATH weights of a detector or encoder")] = None,
    allow_untrained: Annotated[bool, typer.Option("--allow-untrained", help="Run without weights")] = False,
    protocol: Annotated[str, typer.Option(help="Input protocol: original or uniform")] = "original",
    style: Annotated[Format, typer.Option("--format", help="table, json or csv")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per forward pass")] = 16,
    workers: Annotated[int, typer.Option(min=0, help="Decoding processes")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Larger pictures are refused undecoded")
    ] = 100_000_000,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Print P(generated) of pictures without labels.

    Exit code 0: all were scored; 1: some were not, with the reason in their row; 2: wrong request.
    """
    from benchmarks.catalogs import load_catalogs
    from benchmarks.config import DetectorSettings
    from benchmarks.detectors import load_detectors
    from benchmarks.predict import find_pictures
    from benchmarks.predict import predict as score
    from benchmarks.ranks import choose_device
    from benchmarks.runner.model import sigmoid
    from benchmarks.weights import Store
    from registry import Pipeline

    catalogs = load_catalogs(plugin or ())
    files = find_pictures(pictures)
    given = split_paths(weights, "--weights")
    wanted = [DetectorSettings(**one) for one in parse_detectors(detectors, option)]
    loaded = load_detectors(
        catalogs,
        wanted,
        Store(catalogs, given, [one.shown for one in wanted]),
        protocol=protocol,
        allow_untrained=allow_untrained,
        device=choose_device(device),
    )
    for name, reason in loaded.failed.items():
        typer.echo(f"failed: {name}: {reason}", err=True)
    pipeline = Pipeline(loaded.detectors, loaded.encoders, batch_pixels=batch_size * 256 * 256)
    rows = [
        {
            "path": one.picture.path,
            "detector": one.detector,
            "untrained": loaded.records[one.detector]["untrained"],
            "logit": one.logit,
            "score": None if one.logit is None else sigmoid(one.logit),
            "error": one.error,
        }
        for one in score(
            catalogs, pipeline, files, batch_size=batch_size, workers=workers, max_pixels=max_pixels
        )
    ]
    text = {Format.table: _table, Format.json: _json, Format.csv: _csv}[style](rows)
    if out is None:
        typer.echo(text, nl=False)
    else:
        from registry.files import atomic

        with atomic(out) as draft:
            draft.write_text(text, encoding="utf-8")
    raise typer.Exit(1 if loaded.failed or any(row["error"] for row in rows) else 0)


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["path", "detector", "untrained", "logit", "score", "error"])
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _table(rows: list[dict[str, Any]]) -> str:
    """One line per picture, one column per detector: P(generated), and the reasons of failures below."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    names = list(dict.fromkeys(row["detector"] for row in rows))
    marked = {row["detector"] for row in rows if row["untrained"]}
    table = Table("picture", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(escape(name + (" (untrained)" if name in marked else "")), justify="right")
    by_picture: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_picture.setdefault(row["path"], {})[row["detector"]] = row
    for path, scored in by_picture.items():
        cells = (scored.get(name) for name in names)
        table.add_row(
            escape(path),
            *("" if c is None else "error" if c["error"] else f"{c['score']:.4f}" for c in cells),
        )
    stream = io.StringIO()
    console = Console(file=stream, width=max(80, *(len(path) for path in by_picture)) + 24 * len(names))
    console.print(table)
    for row in rows:
        if row["error"]:
            console.print(f"{row['path']}: {row['detector']}: {row['error']}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
