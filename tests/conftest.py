"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

# without a deadline (a loaded machine is no failure) and with the same examples every time
settings.register_profile("deterministic", deadline=None, derandomize=True)
settings.load_profile("deterministic")

Command = Callable[..., subprocess.CompletedProcess[str]]

_WHOLE_COMMANDS = {"command", "invoke"}
"""Fixtures that run whole commands: tests that use one are marked `command`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _WHOLE_COMMANDS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("command")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures, published heads and golden files beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def shared_weights(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the published weights and heads in `shared`: a pickle that is read leaves its conversion beside it."""
    folder = tmp_path_factory.mktemp("shared_weights")
    for source in (shared / "weights", shared / "golden" / "published_heads"):
        for path in source.iterdir():
            shutil.copyfile(path, folder / path.name)
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_conversions_in_the_users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D3QE_BENCH_CONVERTED", str(tmp_path_factory.mktemp("converted")))
        yield


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs `d3qe-bench ARGS…` in a process of its own, as a user would, and returns what it printed."""

    def run(
        *args: str | Path, env: dict[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            **(env or {}),
        }
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.cli", *map(str, args)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=timeout,
            check=False,
        )

    return run


class Invoked(NamedTuple):
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Invoke = Callable[..., Invoked]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Runs `d3qe-bench ARGS…` in this process: the same entry point without the start-up time."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*args: str | Path) -> Invoked:
        from benchmarks.cli import main

        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["d3qe-bench", *map(str, args)])
        try:
            main()
            code: object = 0
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return Invoked(int(str(code or 0)), printed.out, printed.err)

    return run
