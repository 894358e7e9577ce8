"""README's example of the Python interface does what it says."""

from __future__ import annotations

import re

import pytest

from benchmarks.runfolder.scores import SCHEMA
from tests.conftest import ROOT


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## From Python")[2]
    example = re.search(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert example is not None
    names: dict[str, object] = {}
    exec(compile(example[1], "README.md", "exec"), names)
    frame = names["frame"]
    assert list(frame.columns) == SCHEMA.names  # type: ignore[attr-defined]
    assert len(frame) == 2 * 2 * 4  # type: ignore[arg-type]
    assert frame["error"].isna().all()  # type: ignore[index]
    printed = capsys.readouterr().out
    assert "cnnspot_mini  jpeg:75" in printed
    assert "univfd_mini.safetensors" in printed
