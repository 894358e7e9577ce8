"""Commands in processes of their own that can be killed: forked from a server that has imported everything once."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

# what commands import only when they need it would otherwise be imported by every child
import benchmarks.cli
import benchmarks.datasets
import benchmarks.reports
import benchmarks.runner.run
import benchmarks.training.trainer
from tests.forked import start_forked

Setup = tuple[str, tuple[object, ...]]
"""`module:function` and its arguments: called in the child before the command."""


def start(
    *arguments: str | Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    setup: Setup | None = None,
) -> ForkServerProcess:
    """Run `d3qe-bench ARGUMENTS…` in a new process; what it prints goes to `log`, its exit code is the command's."""
    return start_forked(_command, [*map(str, arguments)], log, dict(environment or {}), setup)


def finish(process: ForkServerProcess, seconds: float = 120) -> int:
    """The exit code of a process that ends; one that hangs is killed and fails the test."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError(f"still running after {seconds:.0f} s")
    assert process.exitcode is not None
    return process.exitcode


def run(*arguments: str | Path, log: Path, **options: object) -> tuple[int, str]:
    """Run a command to its end; its exit code and what it printed."""
    code = finish(start(*arguments, log=log, **options))  # type: ignore[arg-type]
    return code, log.read_text(encoding="utf-8")


def _command(arguments: list[str], log: Path, environment: dict[str, str], setup: Setup | None) -> None:
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update({"COLUMNS": "200", "NO_COLOR": "1", **environment})
    torch.set_num_threads(1)
    if setup is not None:
        module, _, name = setup[0].partition(":")
        prepare: Callable[..., None] = getattr(importlib.import_module(module), name)
        prepare(*setup[1])
    sys.argv = ["d3qe-bench", *arguments]
    with contextlib.suppress(BrokenPipeError):
        benchmarks.cli.main()
