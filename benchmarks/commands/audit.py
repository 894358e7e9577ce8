"""`d3qe-bench audit`: what gives the labels of a data set away."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from benchmarks.commands.options import parse_value, split_list, split_pairs

if TYPE_CHECKING:
    from benchmarks.audits import AuditReport


class Format(StrEnum):
    """How the report is written."""

    table = "table"
    markdown = "markdown"
    json = "json"


Text = Optional[list[str]]  # noqa: UP045 - typer reads the annotation at run time


def audit(
    data: Annotated[
        list[str], typer.Argument(help="Folders, manifests, NAME=FOLDER, or registered data sets")
    ],
    train: Annotated[Text, typer.Option(help="Training data, as DATA: searched for overlap, too")] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the data; found from the folder by default")
    ] = None,
    data_option: Annotated[Text, typer.Option(help="KEY=VALUE option of the layout or data set")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many pictures per class and test set")
    ] = None,
    fair: Annotated[Text, typer.Option(help="Audit what is left through a fair view: size, jpeg96")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and permutations")] = 0,
    permutations: Annotated[
        int | None, typer.Option(min=99, help="Per test set; enough for the number of sets by default")
    ] = None,
    style: Annotated[Format, typer.Option("--format", help="table, markdown or json")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 on a shortcut or an overlap as well")
    ] = False,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Larger pictures are refused undecoded")
    ] = 100_000_000,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Can real and generated pictures be told apart without looking at the content?

    Exit code 0: every picture was examined, whatever was found; 1: some could not be read, or
    --strict and something is wrong; 2: the request was wrong.
    """
    from rich.console import Console
    from rich.progress import Progress

    from benchmarks import audits
    from benchmarks.catalogs import load_catalogs
    from benchmarks.datasets import find_test_sets
    from registry.files import atomic

    datasets = load_catalogs(plugin or ()).datasets
    options = {key: parse_value(value) for key, value in split_pairs(data_option, "--data-option").items()}
    views = split_list(fair)
    test_sets = find_test_sets(datasets, data, layout=layout, options=options, limit=limit, fair=views)
    train_sets = find_test_sets(datasets, train, limit=limit, fair=views) if train else []
    total = sum(len(one.pictures) for one in [*test_sets, *train_sets])
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("pictures", total=total)
        report = audits.audit(
            test_sets,
            train_sets,
            seed=seed,
            permutations=permutations,
            max_pixels=max_pixels,
            on_picture=lambda: progress.advance(bar),
        )
    if out is None and style is Format.table:
        from benchmarks.audits.render import print_audit

        print_audit(report, Console())
    elif out is None:
        typer.echo(_text(report, style), nl=False)
    else:
        with atomic(out) as draft:
            draft.write_text(_text(report, style), encoding="utf-8")
    raise typer.Exit(report.exit_code(strict))


def _text(report: AuditReport, style: Format) -> str:
    from rich.console import Console

    from benchmarks.audits.render import print_audit, to_markdown

    if style is Format.json:
        return json.dumps(report.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if style is Format.markdown:
        return to_markdown(report)
    stream = io.StringIO()
    print_audit(report, Console(file=stream, width=200))
    return stream.getvalue()
