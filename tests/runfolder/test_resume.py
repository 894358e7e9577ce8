"""No cell mixes two networks: a rerun with other weights is refused, whatever happened before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.runfolder.scores import read_scores
from tests.conftest import Invoke
from tests.pictures import make_class_folders
from tests.runfolder.resume_plugin import FAIL

PLUGIN = Path(__file__).with_name("resume_plugin.py")


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "one.pth", tmp_path / "two.pth"
    for value, file in enumerate(files, 1):
        torch.save({"model": {"weight": torch.tensor(float(value))}}, file)
    return files


def arguments(tmp_path: Path, detector: str, weights: Path) -> list[str]:
    if not (tmp_path / "data").exists():
        make_class_folders(tmp_path / "data" / "VAR", count=16)
    return [
        *("run", "--data", str(tmp_path / "data"), "--plugin", str(PLUGIN), "--batch-size", "4"),
        *("--detectors", detector, "--weights", f"{detector}={weights}", "--out", str(tmp_path / "run")),
    ]


def test_other_weights_are_refused_after_the_detector_was_stopped(
    invoke: Invoke, tmp_path: Path, weights: tuple[Path, Path]
) -> None:
    first = invoke(*arguments(tmp_path, "weary", weights[0]))
    assert first.code == 1
    rows = read_scores(tmp_path / "run")
    assert rows["logit"].notna().sum() == 8
    assert json.loads((tmp_path / "run" / "run.json").read_text())["detectors"]["weary"]["failed"]

    result = invoke(*arguments(tmp_path, "weary", weights[1]))

    assert result.code == 2
    assert "its scores were made with another weights file of weary" in result.err
    assert read_scores(tmp_path / "run").equals(rows)
    assert invoke(*arguments(tmp_path, "weary", weights[0])).code == 1  # the same weights resume


def test_other_weights_are_refused_after_the_detector_could_not_be_built(
    invoke: Invoke, tmp_path: Path, weights: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke(*arguments(tmp_path, "moody", weights[0])).code == 0
    before = json.loads((tmp_path / "run" / "run.json").read_text())["detectors"]["moody"]
    monkeypatch.setenv(FAIL, "1")
    refused = invoke(*arguments(tmp_path, "moody", weights[1]))
    assert refused.code == 2
    assert "another weights file of moody" in refused.err
    assert (
        invoke(*arguments(tmp_path, "moody", weights[0])).code == 1
    )  # all its rows are there, but it is asked for and fails
    assert json.loads((tmp_path / "run" / "run.json").read_text())["detectors"]["moody"]["failed"]
    monkeypatch.delenv(FAIL)

    assert "another weights file of moody" in invoke(*arguments(tmp_path, "moody", weights[1])).err

    assert invoke(*arguments(tmp_path, "moody", weights[0])).code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["detectors"]["moody"] == before


def test_what_left_no_rows_may_change(
    invoke: Invoke, tmp_path: Path, weights: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "1")
    assert invoke(*arguments(tmp_path, "moody", weights[0])).code == 1
    monkeypatch.delenv(FAIL)
    assert invoke(*arguments(tmp_path, "moody", weights[1])).code == 0


def test_all_machines_that_commands_of_a_run_folder_ran_on_are_recorded(
    invoke: Invoke, tmp_path: Path, weights: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.runfolder import provenance

    found = []
    for machine in ("one", "another", "one"):
        monkeypatch.setattr(provenance, "device_name", lambda _, name=machine: name)
        assert invoke(*arguments(tmp_path, "moody", weights[0])).code == 0
        found.append(json.loads((tmp_path / "run" / "run.json").read_text())["device_name"])
    assert found == ["one", "one; another", "one; another"]
