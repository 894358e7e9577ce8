"""A training that is killed goes on, and ends as if it had never been."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_all
from tests.training import processes
from tests.training.conftest import same, write_config

OTHER_THREADS = torch.get_num_threads() % 2 + 1
"""Not as many as this process has, in which every training goes on."""


def check_goes_on(out: Path, config: Path, uninterrupted: Path) -> None:
    """Resume in this process, and end to the last bit where an uninterrupted training of another one ends."""
    assert train_all([config]) == 0
    assert torch.get_num_threads() != OTHER_THREADS
    after, whole = newest(out), newest(uninterrupted)
    assert after["history"] == whole["history"]
    assert same(after["model"], whole["model"])
    states = [found["optimizer"]["state"] for found in (after, whole)]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert same(states[0][key], states[1][key])
    assert not list(out.rglob(".*.tmp"))
    for name in ("best.safetensors", "best.json", "history.json"):
        assert (out / name).read_bytes() == (uninterrupted / name).read_bytes(), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, training_set, validation_set) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder, training_set, validation_set)
    process = processes.start(processes.train, config, OTHER_THREADS, log=folder / "log")
    process.join(180)
    assert (folder / "log").read_text().count("epoch ") == 4
    assert process.exitcode == 0
    return folder / "out"


@pytest.mark.parametrize(
    ("module", "function", "call", "half_written"),
    [
        ("benchmarks.training.engine", "TrainingModel.forward", 9, False),
        ("safetensors.torch", "save_file", 1, True),
        ("torch", "save", 2, True),
        ("benchmarks.training.checkpoints", "write_json", 3, False),
    ],
)
def test_killed_anywhere(
    tmp_path, training_set, validation_set, uninterrupted, module, function, call, half_written
):
    """In a step, in the middle of writing the export or a checkpoint, and right after one."""
    config = write_config(tmp_path, training_set, validation_set)
    process = processes.start(
        processes.train_and_die, config, OTHER_THREADS, module, function, call, log=tmp_path / "log"
    )
    process.join(180)
    assert process.exitcode == -signal.SIGKILL
    assert bool(list((tmp_path / "out").rglob(".*.tmp"))) == half_written
    check_goes_on(tmp_path / "out", config, uninterrupted)


def test_killed_as_soon_as_there_is_a_checkpoint(
    tmp_path, training_set, validation_set, uninterrupted, capsys
):
    config = write_config(tmp_path, training_set, validation_set)
    process = processes.start(processes.train, config, OTHER_THREADS, log=tmp_path / "log")
    while not list(tmp_path.glob("out/checkpoints/epoch-*.pth")):
        assert process.is_alive(), (tmp_path / "log").read_text()
        time.sleep(0.005)
    process.kill()
    process.join(180)
    finished = newest(tmp_path / "out")["epoch"]
    check_goes_on(tmp_path / "out", config, uninterrupted)
    assert f"epoch {finished}/4" not in capsys.readouterr().err
