"""`d3qe-bench study`: train on each paradigm, test on all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.commands.from_settings import takes
from benchmarks.commands.run_command import show_results
from benchmarks.config import parse_settings, read_settings
from benchmarks.study.settings import StudySettings


@takes(StudySettings, only=("metric", "seeds", "out"))
def study(
    given: dict[str, Any], config: Annotated[Path, typer.Argument(help="YAML file of the study")]
) -> None:
    """Train on each of several training sets, test on all.

    Writes one matrix per detector with means over test sets of the generators trained on,
    of others of the paradigm, and of other paradigms, and the leaderboard of all that was trained. Exit code 0: all
    complete; 1: a training or a cell is not, and is named; 2: the request was wrong.
    """
    from benchmarks.study.study import RUN, run_study

    settings = parse_settings(StudySettings, {**read_settings(config), **given}, str(config), given)
    metrics, problems = run_study(settings, Console(stderr=True))
    raise typer.Exit(show_results(settings.out / RUN, metrics, problems))
