"""A training that is killed goes on, and ends as if it had never been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_all
from tests.conftest import ROOT
from tests.training.conftest import write_config

_KILLED = """
import importlib, os, signal, sys
from pathlib import Path
module, function, left = sys.argv[2], sys.argv[3], int(sys.argv[4])
owner = importlib.import_module(module)
*within, function = function.split(".")
for name in within:
    owner = getattr(owner, name)
original = getattr(owner, function)
def killed(*args, **kwargs):
    global left
    result = original(*args, **kwargs)
    left -= 1
    if left == 0:
        for path in args:
            if isinstance(path, Path):
                os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, function, killed)
"""
_TRAIN = """
import sys
from pathlib import Path
from benchmarks.training.trainer import train_all
sys.exit(train_all([Path(sys.argv[1])]))
"""


OTHER_THREADS = torch.get_num_threads() % 2 + 1
"""Not as many as this process has, in which every training goes on."""


def start(code: str, *args: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(OTHER_THREADS)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], env=environment, stderr=subprocess.PIPE, text=True
    )


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


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, training_set, validation_set) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    process = start(_TRAIN, write_config(folder, training_set, validation_set))
    assert process.communicate()[1].count("epoch ") == 4
    assert process.returncode == 0
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "function", "nth", "half_written"),
    [
        ("benchmarks.training.engine", "TrainingModel.forward", 9, False),
        ("safetensors.torch", "save_file", 1, True),
        ("torch", "save", 2, True),
        ("benchmarks.training.checkpoints", "write_json", 3, False),
    ],
)
def test_killed_anywhere(
    tmp_path, training_set, validation_set, uninterrupted, module, function, nth, half_written
):
    """In a step, in the middle of writing the export or a checkpoint, and right after one."""
    config = write_config(tmp_path, training_set, validation_set)
    process = start(_KILLED + _TRAIN, config, module, function, nth)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert bool(list((tmp_path / "out").rglob(".*.tmp"))) == half_written
    check_goes_on(tmp_path / "out", config, uninterrupted)


@pytest.mark.slow
def test_killed_as_soon_as_there_is_a_checkpoint(
    tmp_path, training_set, validation_set, uninterrupted, capsys
):
    config = write_config(tmp_path, training_set, validation_set)
    process = start(_TRAIN, config)
    while not list(tmp_path.glob("out/checkpoints/epoch-*.pth")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = newest(tmp_path / "out")["epoch"]
    check_goes_on(tmp_path / "out", config, uninterrupted)
    assert f"epoch {finished}/4" not in capsys.readouterr().err
