"""`d3qe-bench figures`: draw what a plugin shows of its detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import DetectorSettings, Limit, Option, Seed, SessionSettings, parse_settings
from benchmarks.text import say
from registry import UserError


class FiguresSettings(SessionSettings):
    """What `d3qe-bench figures` draws."""

    names: Annotated[list[str], Option(metavar="NAME", positional=True)] = Field(
        [], description="figures to draw; all of the detector if not given"
    )
    detectors: Annotated[list[DetectorSettings], Option("--detector", "[LABEL=]NAME")] = Field(
        min_length=1, max_length=1, description="detector to draw"
    )
    data: Annotated[list[str], Option(metavar="DATA", commas=False)] = Field(
        [],
        description="folder, manifest, tar shards, Parquet files, address, NAME=FOLDER, or a registered data set",
    )
    limit: Limit = None
    out: Path = Field(Path("figures"), description="folder for NAME.png, NAME.svg, NAME.json and NAME.csv")
    seed: Seed = Field(0, description="random seed of untrained weights, as in run")


@takes(FiguresSettings, without=("precision", "micro_batch", "compile", "max_pixels"))
def figures(given: dict[str, Any]) -> None:
    """Draw what a plugin shows of its detector.

    Each figure as PNG and SVG, and its numbers as JSON and CSV."""
    from benchmarks.datasets import find_test_sets
    from benchmarks.drawing import choose_figures, draw_figures
    from benchmarks.loading import load_catalogs, open_session

    settings = parse_settings(FiguresSettings, given, options=given)
    catalogs = load_catalogs(settings.plugins)
    (detector,) = settings.detectors
    chosen = choose_figures(catalogs, detector.name, settings.names)
    test_sets = find_test_sets(catalogs.datasets, settings.data, limit=settings.limit)
    session = open_session(settings, catalogs=catalogs)
    shown = detector.shown
    if session.failed:
        raise UserError(f"{shown} could not be built: {session.failed[shown]}")
    untrained = ", ".join(session.records[shown]["untrained_parts"])
    title = f"{shown} (untrained: {untrained})" if untrained else shown
    written = draw_figures(
        catalogs,
        chosen,
        session.detectors[shown],
        title,
        session.encoders,
        test_sets,
        settings.out,
        settings.batch_size,
    )
    for path in written:
        say(f"written: {path}")
