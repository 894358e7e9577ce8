"""`d3qe-bench host`: our detectors inside another suite."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.commands.from_settings import takes
from benchmarks.config import RunSettings, parse_settings
from benchmarks.hosts import SUITES
from benchmarks.hosts.settings import KEYS
from benchmarks.text import say
from registry import UserError
from registry.errors import unknown_name

app = typer.Typer(help="Our detectors inside other suites.", no_args_is_help=True)


@app.callback()
def host() -> None:
    """Our detectors inside other suites."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": False})
@takes(RunSettings, only=("detectors", *KEYS, "bootstrap"))
def run(
    given: dict[str, Any],
    context: typer.Context,
    suite: Annotated[str, typer.Argument(help=f"One of {', '.join(SUITES)}")],
    root: Annotated[
        Path | None, typer.Option(help="Checkout of a suite that is not a package", metavar="PATH")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder (default runs/host-SUITE)", metavar="PATH")
    ] = None,
) -> None:
    """Run detectors through a suite's own entry point; the suite's arguments follow after `--`.

    The suite's pictures and our scores land in a run folder like any other, beside what was
    changed around the suite (`shim`) and where its treatment differs from `d3qe-bench run`.
    Exit code 0: every detector was run; 1: something failed, and is named; 2: the request was wrong.
    """
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    if "detectors" not in given:
        raise UserError("name the detectors to run: --detectors NAME,NAME")
    values = {**given, "out": out or Path("runs", f"host-{suite}")}
    settings = parse_settings(RunSettings, values, options=given)
    raise typer.Exit(_run(suite, settings, root, context.args))


def _run(suite: str, settings: RunSettings, root: Path | None, arguments: list[str]) -> int:
    from benchmarks.commands.run_command import show_results
    from benchmarks.hosts.host_run import HostRun, run_host
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
        for line in failed:
            say(line, err=True)
        return 1
    metrics = evaluate_run(settings.out, host.catalogs.metrics, bootstrap=settings.bootstrap)
    return show_results(settings.out, metrics, failed)
