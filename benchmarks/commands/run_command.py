"""`d3qe-bench run`: score, then compute and show the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.commands.from_settings import takes
from benchmarks.config import SHIPPED, RunSettings, parse_settings, read_settings
from benchmarks.text import plain, say

if TYPE_CHECKING:
    from benchmarks.runfolder.metrics_file import MetricsFile

MINI = SHIPPED / "mini.yaml"
"""What runs where neither a configuration nor data is named: the embedded benchmark."""


@takes(RunSettings)
def run(
    given: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="YAML file of settings; options win over it")] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be fetched and scored, and how long it takes here; score nothing",
        ),
    ] = False,
) -> None:
    """Score test sets with detectors and compare them.

    Without a configuration or data, the embedded mini benchmark is run.

    Rerunning the same command on the same run folder resumes it. Exit code 0: everything was
    scored; 1: something is incomplete or failed, and is named; 2: the request was wrong.
    """
    if "perturbations" in given:
        from benchmarks.perturbations import split_perturbations

        given["perturbations"] = split_perturbations(given["perturbations"])
    if config is None and "data" not in given:
        config = MINI
    values = {**(read_settings(config) if config else {}), **given}
    settings = parse_settings(RunSettings, values, str(config or ""), given)
    if dry_run:
        from benchmarks.commands.dry_run import print_forecast
        from benchmarks.runner.forecast import SECONDS, forecast

        print_forecast(forecast(settings, SECONDS), settings.out)
        return
    raise typer.Exit(_run(settings))


def _run(settings: RunSettings) -> int:
    from benchmarks.runner.run import command_line, run_benchmark

    messages = Console(stderr=True)
    try:
        metrics = run_benchmark(settings, command_line(), messages)
    except KeyboardInterrupt:
        messages.print("interrupted; what was scored is kept, the same command resumes", style="yellow")
        return 1
    return show_results(settings.out, metrics) if metrics else 0


def show_results(out: Path, metrics: MetricsFile, failed: Sequence[str] = ()) -> int:
    """Write and print the leaderboard of a run folder, and name what failed or is incomplete.

    Returns:
        The exit code: 0 where everything was scored, else 1.
    """
    from benchmarks.reports import render
    from benchmarks.runfolder.metrics_file import incomplete

    files = render([out], console=Console())
    for line in (problems := [*failed, *incomplete(out, metrics)]):
        Console(stderr=True).print(plain(line), style="yellow", markup=False, soft_wrap=True)
    for file in files:
        say(f"written: {file}")
    return 1 if problems else 0
