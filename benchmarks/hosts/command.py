"""`d3qe-bench host`: our detectors inside another suite."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from benchmarks.commands.options import given, parse_detectors, split_pairs
from benchmarks.hosts import SUITES
from registry import UserError
from registry.errors import unknown_name

if TYPE_CHECKING:
    from benchmarks.config import RunSettings

app = typer.Typer(help="Our detectors inside other suites.", no_args_is_help=True)

Text = Optional[list[str]]  # noqa: UP045 - typer reads the annotation at run time


@app.callback()
def host() -> None:
    """Our detectors inside other suites."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": False})
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(help=f"One of {', '.join(SUITES)}")],
    detectors: Annotated[Text, typer.Option(help="Names, comma-separated; LABEL=NAME runs one twice")] = None,
    option: Annotated[Text, typer.Option(help="DETECTOR.OPTION=VALUE constructor option")] = None,
    weights: Annotated[Text, typer.Option(help="NAME=PATH weights of a detector or encoder")] = None,
    allow_untrained: Annotated[
        bool | None,
        typer.Option("--allow-untrained", help="Run detectors without weights, seeded and marked"),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Input protocol: original or uniform")] = None,
    root: Annotated[Path | None, typer.Option(help="Checkout of a suite that is not a package")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (default runs/host-SUITE)")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N (default auto)")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the bootstrap and of untrained weights")] = None,
    bootstrap: Annotated[int | None, typer.Option(help="Resamples for intervals, 0 for none")] = None,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Run detectors through a suite's own entry point; the suite's arguments follow after `--`.

    The suite's pictures and our scores land in a run folder like any other, beside what was
    changed around the suite (`shim`) and where its treatment differs from `d3qe-bench run`.
    Exit code 0: every detector was run; 1: something failed, and is named; 2: the request was wrong.
    """
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    values = given(
        {
            "detectors": parse_detectors(detectors, option),
            "weights": split_pairs(weights, "--weights"),
            "allow_untrained": allow_untrained,
            "protocol": protocol,
            "device": device,
            "seed": seed,
            "bootstrap": bootstrap,
            "plugins": plugin,
        }
    )
    if "detectors" not in values:
        raise UserError("name the detectors to run: --detectors NAME,NAME")
    from benchmarks.config import RunSettings, parse_settings

    settings = parse_settings(RunSettings, {**values, "out": out or Path("runs", f"host-{suite}")}, "options")
    raise typer.Exit(_run(suite, settings, root, context.args))


def _run(suite: str, settings: RunSettings, root: Path | None, arguments: list[str]) -> int:
    from benchmarks.commands.run import show_results
    from benchmarks.hosts.session import HostRun, run_host
    from benchmarks.runfolder.evaluate import evaluate_run
    from benchmarks.runfolder.scores import cells
    from benchmarks.runner.run import command_line

    bridge: Any = importlib.import_module(f"benchmarks.hosts.{suite}")
    if root is not None and not bridge.SUITE.files:
        raise UserError(
            f"{bridge.SUITE.title} is used as installed, {bridge.SUITE.install}: leave out --root"
        )
    host = HostRun(bridge.SUITE, settings, arguments, root)
    failed = run_host(bridge, host, command_line())
    if not any(cells(settings.out)):  # there is nothing to compare or draw
        print("\n".join(failed), file=sys.stderr)
        return 1
    metrics = evaluate_run(settings.out, host.catalogs.metrics, bootstrap=settings.bootstrap)
    return show_results(settings.out, metrics, failed)
