"""`d3qe-bench figures`: draw what a plugin shows of its detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from benchmarks.commands.options import parse_detectors, split_list, split_paths

Text = Optional[list[str]]  # noqa: UP045 - typer reads the annotation at run time


def figures(
    detector: Annotated[str, typer.Option(help="Detector, or LABEL=NAME to call it in the figures")],
    names: Annotated[Text, typer.Argument(help="Figures to draw; all of the detector by default")] = None,
    data: Annotated[
        Text, typer.Option(help="Folder, manifest, NAME=FOLDER, or a registered data set")
    ] = None,
    option: Annotated[Text, typer.Option(help="DETECTOR.OPTION=VALUE constructor option")] = None,
    weights: Annotated[Text, typer.Option(help="NAME=PATH weights of the detector or an encoder")] = None,
    allow_untrained: Annotated[bool, typer.Option(help="Draw without weights, seeded")] = False,
    limit: Annotated[int | None, typer.Option(help="At most this many pictures per class and set")] = None,
    out: Annotated[Path, typer.Option(help="Folder for NAME.png, NAME.svg and NAME.json")] = Path("figures"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    seed: Annotated[int, typer.Option(help="Of untrained weights, as in run")] = 0,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Draw figures of a detector on pictures: PNG, SVG, and the numbers as JSON."""
    from benchmarks.catalogs import load_catalogs
    from benchmarks.config import DetectorSettings, parse_settings
    from benchmarks.datasets import find_test_sets
    from benchmarks.detectors import load_detectors
    from benchmarks.figures import choose_figures, draw_figures
    from benchmarks.ranks import choose_device
    from benchmarks.weights import Store

    catalogs = load_catalogs(plugin or [])
    (values,) = parse_detectors([detector], option)
    settings = parse_settings(DetectorSettings, values, "--detector")
    chosen = choose_figures(catalogs, settings.name, split_list(names))
    given = split_paths(weights, "--weights")
    store = Store(catalogs, given, [settings.shown])
    test_sets = find_test_sets(catalogs.datasets, data or [], limit=limit)
    loaded = load_detectors(
        catalogs, [settings], store, allow_untrained=allow_untrained, seed=seed, device=choose_device(device)
    )
    shown = settings.shown
    untrained = ", ".join(loaded.records[shown]["untrained_parts"])
    title = f"{shown} (untrained: {untrained})" if untrained else shown
    ready = loaded.detectors[shown].to(loaded.encoders.device)
    written = draw_figures(catalogs, chosen, ready, title, loaded.encoders, test_sets, out)
    Console().print("\n".join(f"written: {path}" for path in written), markup=False, soft_wrap=True)
