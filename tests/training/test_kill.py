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
import yaml

from benchmarks.training.checkpoints import newest
from benchmarks.training.command import train_all
from tests.conftest import ROOT
from tests.training.conftest import TOY_PLUGIN

_KILLED_WHILE_SAVING = """
import signal, sys, torch
import benchmarks.training.checkpoints as checkpoints
save, left = torch.save, int(sys.argv[1])
def killed_while_saving(state, path):
    global left
    left -= 1
    if left == 0:
        save(state, path)
        with open(path, "r+b") as stream:
            stream.truncate(500)
        import os
        os.kill(os.getpid(), signal.SIGKILL)
    save(state, path)
torch.save = killed_while_saving
"""
_TRAIN = """
import sys
from pathlib import Path
from benchmarks.training.command import train_all
sys.exit(train_all([Path(sys.argv[2])]))
"""


def write_config(folder: Path, training_set, validation_set, **changes) -> Path:
    path = folder / "config.yaml"
    values = {
        "detector": {"name": "toy"},
        "data": {"sets": [str(training_set.root)]},
        "validation": {"sets": [str(validation_set.root)]},
        "allow_untrained": True,
        "out": str(folder / "out"),
        "epochs": 4,
        "batch_size": 8,
        "device": "cpu",
        "plugins": [str(TOY_PLUGIN)],
        **changes,
    }
    path.write_text(yaml.safe_dump(values))
    return path


def start(code: str, *args: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], env=environment, stderr=subprocess.PIPE, text=True
    )


def check_goes_on(out: Path, config: Path, uninterrupted: Path) -> None:
    """Resume, keep what was finished to the last bit, and end where an uninterrupted training ends.

    The end is compared with a small tolerance: two processes can differ in the last bit of a
    convolution without any resume. tests/training/test_training.py compares bits within one process.
    """
    before = newest(out)
    assert train_all([config]) == 0
    after, whole = newest(out), newest(uninterrupted)
    finished = before["history"] if before else []
    assert after["history"][: len(finished)] == finished
    assert [entry["epoch"] for entry in after["history"]] == [1, 2, 3, 4]
    for name in ("counts", "steps"):
        assert torch.equal(after["model"][name], whole["model"][name])
    for one, other in zip(after["history"], whole["history"], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    assert not list(out.rglob(".*.tmp"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, training_set, validation_set) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert train_all([write_config(folder, training_set, validation_set)]) == 0
    return folder / "out"


# an epoch saves the export, if it is the best one so far, and then the checkpoint
@pytest.mark.slow
@pytest.mark.parametrize("nth_save", [1, 4])
def test_killed_in_the_middle_of_a_save(tmp_path, training_set, validation_set, uninterrupted, nth_save):
    config = write_config(tmp_path, training_set, validation_set)
    process = start(_KILLED_WHILE_SAVING + _TRAIN, nth_save, config)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list((tmp_path / "out").rglob(".*.tmp"))
    check_goes_on(tmp_path / "out", config, uninterrupted)


@pytest.mark.slow
def test_killed_between_saves(tmp_path, training_set, validation_set, uninterrupted, capsys):
    config = write_config(tmp_path, training_set, validation_set)
    process = start(_TRAIN, 0, config)
    while not list(tmp_path.glob("out/checkpoints/epoch-*.pth")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = newest(tmp_path / "out")["epoch"]
    check_goes_on(tmp_path / "out", config, uninterrupted)
    assert f"epoch {finished}/4" not in capsys.readouterr().err
