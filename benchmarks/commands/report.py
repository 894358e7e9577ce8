"""`d3qe-bench report`: tables of one or several run folders, from their score files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks.commands.options import split_list


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or submitted rows")],
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--format", help="md, csv, tex, html; comma-separated (default all)"),
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
    calibrate_on: Annotated[
        str | None,
        typer.Option(help="Test set whose clean pictures choose each detector's threshold; adds acc@NAME"),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Data folder of the run: shows the most wrong pictures on the page"),
    ] = None,
    plugin: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="Plugin file to load, also in place of a recorded one of its name"),
    ] = None,
) -> None:
    """Render leaderboard tables; metrics come from the score files, no network is run."""
    from rich.console import Console

    from benchmarks.reports import print_runs, render
    from benchmarks.reports.load import METRICS, read_runs

    chosen = split_list(metrics)
    if calibrate_on and not chosen:
        chosen = [*METRICS, f"acc@{calibrate_on}"]
    files = render(
        runs,
        formats=split_list(formats),
        metrics=chosen,
        out=out,
        bootstrap=bootstrap,
        recompute=recompute,
        calibrate_on=calibrate_on,
        pictures=pictures,
        plugins=plugin or [],
    )
    console = Console()
    print_runs(read_runs(runs), console, chosen)
    console.print("\n".join(f"written: {file}" for file in files), markup=False, soft_wrap=True)
