"""`d3qe-bench report`: tables of one or several run folders, from their score files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks.commands.options import split_list


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders")],
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--format", help="md, csv, tex; comma-separated (default all)"),
    ] = None,
    metrics: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--metric", help="Metrics to tabulate, comma-separated"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the tables (default the run folder; needed for several runs)"),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(min=0, help="Resamples for intervals, 0 for none (default as computed before)"),
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute metrics.json anew from the score files")
    ] = False,
) -> None:
    """Render leaderboard tables; metrics come from the score files, no network is run."""
    from rich.console import Console

    from benchmarks.reports import load_metrics, print_leaderboard, render

    chosen = split_list(metrics)
    files = render(
        runs, formats=split_list(formats), metrics=chosen, out=out, bootstrap=bootstrap, recompute=recompute
    )
    console = Console()
    for run in runs:
        print_leaderboard(load_metrics(run), console, chosen)
    console.print("\n".join(f"written: {file}" for file in files), markup=False, soft_wrap=True)
