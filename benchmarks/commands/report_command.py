"""`d3qe-bench report`: tables of one or several run folders, from their score files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from benchmarks.commands.from_settings import takes
from benchmarks.config import (
    CalibrateOn,
    FalsePositiveRate,
    Option,
    Plugins,
    Settings,
    StrictBool,
    StrictInt,
    parse_settings,
)
from benchmarks.text import say


class ReportSettings(Settings):
    """What `d3qe-bench report` renders."""

    runs: Annotated[list[Path], Option(metavar="RUN", positional=True)] = Field(
        description="run folders, or submitted rows"
    )
    formats: Annotated[list[str], Option("--format")] = Field(
        [], description="files to write: md, csv, tex, svg, html; all if not given"
    )
    metrics: Annotated[list[str], Option("--metric")] = Field([], description="metrics to tabulate")
    out: Path | None = Field(
        None, description="folder for the tables; the run folder if not given, needed for several runs"
    )
    bootstrap: StrictInt | None = Field(
        None,
        ge=0,
        description="resamples for confidence intervals, 0 for none; as computed before if not given",
    )
    recompute: StrictBool = Field(False, description="compute metrics.json anew from the score files")
    calibrate_on: CalibrateOn = None
    fpr: FalsePositiveRate = None
    ways: StrictBool = Field(
        False, description="show detectors that run --feed fed in other ways as rows, too"
    )
    pictures: Path | None = Field(
        None, description="data folder of the run: shows the most wrong pictures on the page"
    )
    plugins: Plugins = Field(
        [], description="plugin file to load; it takes the place of one of its name that the run recorded"
    )

    @field_validator("runs")
    @classmethod
    def _are_there(cls, runs: list[Path]) -> list[Path]:
        for run in runs:
            if not run.exists():
                raise ValueError(f"there is no run folder or row at {run}")
        return runs


@takes(ReportSettings)
def report(given: dict[str, Any]) -> None:
    """Render leaderboard tables of run folders.

    Metrics come from the score files: no network is run."""
    from rich.console import Console

    from benchmarks.reports import render

    settings = parse_settings(ReportSettings, given, options=given)
    console = Console()
    files = render(**dict(settings), console=console)
    for file in files:
        say(f"written: {file}")
