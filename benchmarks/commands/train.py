"""`d3qe-bench train`: train detectors from configuration files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks.commands.options import given


def train(
    configs: Annotated[list[Path], typer.Argument(help="YAML files, trained one after the other")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of a single training; rerunning on it resumes")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training pictures")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N")] = None,
    feature_cache: Annotated[Path | None, typer.Option(help="Folder of frozen features")] = None,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Train any trainable detector on any data set.

    Rerunning the same command resumes after the last finished epoch. Exit code 0: complete; 1: a
    training ended early, and why is said; 2: the request was wrong.
    """
    from benchmarks.training.trainer import train_all

    overrides = given(
        {"out": out, "epochs": epochs, "device": device, "feature_cache": feature_cache, "plugins": plugin}
    )
    raise typer.Exit(train_all(configs, overrides))
