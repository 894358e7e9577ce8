"""The README's way from Python works as it stands there."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.pictures import make_picture


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## From Python")[1].split("\n## ")[0]
    code = textwrap.dedent("\n".join(line for line in section.splitlines() if line.startswith("    ")))
    for seed, name in enumerate(("one", "two")):
        make_picture(seed, seed, (64, 64)).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    frame = found["frame"]
    assert len(frame) == 2 * 2 * 2
    assert frame["error"].isna().all()
    assert frame["score"].between(0, 1).all()
    assert "d3qe_mini" in capsys.readouterr().out
