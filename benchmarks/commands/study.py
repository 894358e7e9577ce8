"""`d3qe-bench study`: train on each paradigm, test on all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.commands.options import given


def study(
    config: Annotated[Path, typer.Argument(help="YAML file of the study")],
    out: Annotated[Path | None, typer.Option(help="Folder of the study; rerunning on it resumes")] = None,
) -> None:
    """Train each detector on each of several training sets, test them on all test sets.

    Writes one matrix per detector with means within and across paradigms. Exit code 0: all
    complete; 1: a training or a cell is not, and is named; 2: the request was wrong.
    """
    from benchmarks.config import parse_settings, read_settings
    from benchmarks.study.settings import StudySettings
    from benchmarks.study.study import run_study

    values = {**read_settings(config), **given({"out": out})}
    raise typer.Exit(run_study(parse_settings(StudySettings, values, str(config)), Console(stderr=True)))
