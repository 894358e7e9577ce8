"""`d3qe-bench train`: train detectors from configuration files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.commands.from_settings import takes
from benchmarks.training.settings import TrainSettings


@takes(TrainSettings)
def train(
    given: dict[str, Any],
    configs: Annotated[list[Path], typer.Argument(help="YAML files, trained one after the other")],
) -> None:
    """Train any trainable detector on any data set.

    Options win over the keys of the files. Rerunning the same command resumes after the last finished epoch.
    Exit code 0: complete; 1: a training ended early, and why is said; 2: the request was wrong.
    """
    from benchmarks.training.trainer import train_all

    raise typer.Exit(train_all(configs, given))
