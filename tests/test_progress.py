"""The one progress bar: what it shows on a terminal, and nothing elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.progress import ProgressBar
from tests.conftest import ROOT


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=100, force_terminal=terminal, color_system=None), stream


@pytest.mark.parametrize(
    ("unit", "total", "said"), [("images", 2000, "1,500/2,000"), ("bytes", 2_000_000, "1.5 MB of 2.0 MB")]
)
def test_it_shows_what_is_done(unit, total, said):
    screen, stream = console(terminal=True)
    with ProgressBar("first", total, console=screen, unit=unit, done=total // 2) as bar:
        bar.advance(total // 4)
        bar.describe("second [with] brackets")
    assert "first" in stream.getvalue()
    assert "second [with] brackets" in stream.getvalue()
    assert said in stream.getvalue()


def test_it_draws_nothing_where_there_is_no_terminal():
    screen, stream = console(terminal=False)
    with ProgressBar("work", 3, console=screen) as bar:
        bar.advance()
    assert stream.getvalue().strip() == ""


def test_nothing_else_draws_a_bar():
    sources = [path for package in ("benchmarks", "tools") for path in Path(ROOT, package).rglob("*.py")]
    drawing = [
        path.relative_to(ROOT).as_posix() for path in sources if "rich.progress" in path.read_text("utf-8")
    ]
    assert drawing == ["benchmarks/progress.py"]
