"""`d3qe-bench run`: score, then compute and show the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.console import Console

from benchmarks.commands.options import given, parse_detectors, parse_value, split_list, split_pairs

if TYPE_CHECKING:
    from benchmarks.config import RunSettings
    from benchmarks.runfolder.metrics_file import MetricsFile

MINI = Path(__file__).parents[1] / "configs" / "mini.yaml"
"""What runs where neither a configuration nor data is named: the embedded benchmark."""

Text = Optional[list[str]]  # noqa: UP045 - typer reads the annotation at run time


def run(
    config: Annotated[Path | None, typer.Argument(help="YAML file of settings; options win over it")] = None,
    data: Annotated[
        Text, typer.Option(help="Folder, manifest, NAME=FOLDER, or a registered data set")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of --data; found from the folder by default")
    ] = None,
    data_option: Annotated[Text, typer.Option(help="KEY=VALUE option of the layout or data set")] = None,
    paradigm: Annotated[Text, typer.Option(help="GENERATOR=PARADIGM, over the built-in table")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most this many pictures per class and test set")
    ] = None,
    fair: Annotated[Text, typer.Option(help="Fair view of all pictures: size, jpeg96, or both")] = None,
    detectors: Annotated[Text, typer.Option(help="Names, comma-separated; LABEL=NAME runs one twice")] = None,
    option: Annotated[Text, typer.Option(help="DETECTOR.OPTION=VALUE constructor option")] = None,
    weights: Annotated[Text, typer.Option(help="NAME=PATH weights of a detector or encoder")] = None,
    allow_untrained: Annotated[
        bool | None,
        typer.Option("--allow-untrained", help="Run detectors without weights, seeded and marked"),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Input protocol: original or uniform")] = None,
    perturb: Annotated[
        Text, typer.Option(help="Condition beside the clean one, such as jpeg:75 or crop:0.8")
    ] = None,
    clean: Annotated[
        bool | None, typer.Option("--clean/--no-clean", help="Score the pictures as they are")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; rerunning on it resumes (default runs/latest)")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures per forward pass (default 16)")] = None,
    workers: Annotated[int | None, typer.Option(help="Decoding processes")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N (default auto)")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16 (default float32)")
    ] = None,
    launcher: Annotated[str | None, typer.Option(help="auto, none, pytorch or slurm (default auto)")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of perturbations, bootstrap and untrained weights (default 0)")
    ] = None,
    bootstrap: Annotated[
        int | None, typer.Option(help="Resamples for intervals, 0 for none (default 1000)")
    ] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Larger pictures are refused undecoded")] = None,
    fingerprint: Annotated[
        str | None, typer.Option(help="Data fingerprint: content or names (default content)")
    ] = None,
    flush_seconds: Annotated[
        float | None, typer.Option(help="A kill loses at most this much scoring (default 30)")
    ] = None,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Score test sets with detectors and compare them side by side.

    Without a configuration or data, the embedded mini benchmark is run.

    Rerunning the same command on the same run folder resumes it. Exit code 0: everything was
    scored; 1: something is incomplete or failed, and is named; 2: the request was wrong.
    """
    from benchmarks.perturbations import split_perturbations

    options = given(
        {
            "data": data,
            "layout": layout,
            "data_options": {k: parse_value(v) for k, v in split_pairs(data_option, "--data-option").items()},
            "paradigms": split_pairs(paradigm, "--paradigm"),
            "limit": limit,
            "fair": split_list(fair),
            "detectors": parse_detectors(detectors, option),
            "weights": split_pairs(weights, "--weights"),
            "allow_untrained": allow_untrained,
            "protocol": protocol,
            "perturbations": split_perturbations(perturb or ()),
            "clean": clean,
            "out": out,
            "batch_size": batch_size,
            "workers": workers,
            "device": device,
            "precision": precision,
            "launcher": launcher,
            "seed": seed,
            "bootstrap": bootstrap,
            "max_pixels": max_pixels,
            "fingerprint": fingerprint,
            "flush_seconds": flush_seconds,
            "plugins": plugin,
        }
    )
    from benchmarks.config import RunSettings, parse_settings, read_settings

    if config is None and "data" not in options:
        config = MINI
    values = {**(read_settings(config) if config else {}), **options}
    settings = parse_settings(RunSettings, values, str(config) if config else "options")
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
    from benchmarks.reports import print_leaderboard, render
    from benchmarks.runfolder.summary import incomplete

    files = render([out])
    print_leaderboard(metrics, Console())
    for line in (problems := [*failed, *incomplete(out, metrics)]):
        Console(stderr=True).print(line, style="yellow", markup=False, soft_wrap=True)
    Console().print("\n".join(f"written: {file}" for file in files), markup=False, soft_wrap=True)
    return 1 if problems else 0
