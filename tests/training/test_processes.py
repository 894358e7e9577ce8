"""Two processes train as one does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from benchmarks.training.checkpoints import newest
from tests.conftest import ROOT
from tests.training.conftest import write_config

_TRAIN = """
import sys
from pathlib import Path
from benchmarks.training.trainer import train_all
sys.exit(train_all([Path(sys.argv[1])]))
"""


def torchrun(processes: int, script, config) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
            script,
            config,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def checkpoints_of(folder, training_set, validation_set, **changes) -> list[dict]:
    """The last checkpoints of the same training in one process and in two."""
    script = folder / "train.py"
    script.write_text(_TRAIN)
    found = []
    for processes in (1, 2):
        own = folder / str(processes)
        own.mkdir()
        done = torchrun(processes, script, write_config(own, training_set, validation_set, **changes))
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(f"epoch {changes['epochs']}/{changes['epochs']}") == 1
        found.append(newest(own / "out"))
    return found


@pytest.mark.slow
def test_same_counts_steps_and_pictures(tmp_path, training_set, validation_set):
    detector = {"name": "toy", "options": {"dropout": 0.0}}
    one, two = checkpoints_of(tmp_path, training_set, validation_set, epochs=3, detector=detector)
    assert torch.equal(one["model"]["counts"], two["model"]["counts"])
    assert int(one["model"]["counts"].sum()) > 0
    assert [e["train_loss"] for e in two["history"]] == pytest.approx(
        [e["train_loss"] for e in one["history"]], abs=0.05
    )
    assert two["trained_on"] == one["trained_on"]


@pytest.mark.slow
def test_statistics_before_the_training_are_of_all_processes(tmp_path, training_set, validation_set):
    detector = {"name": "fredect", "options": {"blocks": [1], "size": 16, "protocol": "uniform"}}
    one, two = checkpoints_of(tmp_path, training_set, validation_set, epochs=1, detector=detector)
    for name in ("dct_mean", "dct_var"):
        torch.testing.assert_close(one["model"][name], two["model"][name])
    assert one["model"]["dct_mean"].any()


@pytest.mark.slow
def test_a_nan_in_two_processes_ends_both(tmp_path, training_set, validation_set):
    script = tmp_path / "train.py"
    script.write_text(_TRAIN)
    config = write_config(
        tmp_path, training_set, validation_set, detector={"name": "toy", "options": {"explode_at": 4}}
    )
    done = torchrun(2, script, config)
    assert done.returncode != 0
    assert "loss nan in epoch 2" in done.stderr
    assert newest(tmp_path / "out")["epoch"] == 1
