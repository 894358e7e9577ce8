"""`d3qe-bench figures`: draw what a plugin shows of its detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.console import Console

from benchmarks.commands.from_settings import takes
from benchmarks.config import DetectorSettings, Limit, Option, Seed, SessionSettings, parse_settings


class FiguresSettings(SessionSettings):
    """What `d3qe-bench figures` draws."""

    names: Annotated[list[str], Option(metavar="NAME", positional=True)] = Field(
        [], description="figures to draw; all of the detector if not given"
    )
    detectors: Annotated[list[DetectorSettings], Option("--detector", "[LABEL=]NAME")] = Field(
        min_length=1, max_length=1, description="detector to draw"
    )
    data: Annotated[list[str], Option(metavar="DATA", commas=False)] = Field(
        [], description="folder, manifest, NAME=FOLDER, or a registered data set"
    )
    limit: Limit = None
    out: Path = Field(Path("figures"), description="folder for NAME.png, NAME.svg and NAME.json")
    seed: Seed = Field(0, description="random seed of untrained weights, as in run")


@takes(FiguresSettings, without=("precision", "max_pixels"))
def figures(given: dict[str, Any]) -> None:
    """Draw figures of a detector: PNG, SVG, and the numbers as JSON."""
    from benchmarks.catalogs import load_catalogs
    from benchmarks.datasets import find_test_sets
    from benchmarks.detectors import load_detectors
    from benchmarks.figures import choose_figures, draw_figures
    from benchmarks.ranks import choose_device
    from benchmarks.weights import Store

    settings = parse_settings(FiguresSettings, given, options=given)
    catalogs = load_catalogs(settings.plugins)
    (detector,) = settings.detectors
    chosen = choose_figures(catalogs, detector.name, settings.names)
    store = Store(catalogs, settings.weights, settings.labels)
    test_sets = find_test_sets(catalogs.datasets, settings.data, limit=settings.limit)
    loaded = load_detectors(
        catalogs,
        settings.detectors,
        store,
        protocol=settings.protocol,
        allow_untrained=settings.allow_untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
    )
    shown = detector.shown
    untrained = ", ".join(loaded.records[shown]["untrained_parts"])
    title = f"{shown} (untrained: {untrained})" if untrained else shown
    ready = loaded.detectors[shown].to(loaded.encoders.device)
    written = draw_figures(
        catalogs, chosen, ready, title, loaded.encoders, test_sets, settings.out, settings.batch_size
    )
    Console().print("\n".join(f"written: {path}" for path in written), markup=False, soft_wrap=True)
