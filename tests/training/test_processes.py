"""Two processes train as one does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from benchmarks.training.checkpoint_files import newest
from tests.conftest import ROOT
from tests.training.test_kill import write_config

_TRAIN = """
import sys
from pathlib import Path
from benchmarks.training.command import train_all
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


@pytest.mark.slow
def test_same_counts_steps_and_pictures(tmp_path, training_set, validation_set):
    script = tmp_path / "train.py"
    script.write_text(_TRAIN)
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        config = write_config(
            folder,
            training_set,
            validation_set,
            epochs=3,
            detector={"name": "toy", "options": {"dropout": 0.0}},
        )
        done = torchrun(processes, script, config)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("epoch 3/3") == 1
        found.append(newest(folder / "out"))
    one, two = found
    assert torch.equal(one["model"]["counts"], two["model"]["counts"])
    assert int(one["model"]["counts"].sum()) > 0
    assert [e["train_loss"] for e in two["history"]] == pytest.approx(
        [e["train_loss"] for e in one["history"]], abs=0.05
    )
    assert two["pictures"] == one["pictures"]


@pytest.mark.slow
def test_statistics_before_the_training_are_of_all_processes(tmp_path, training_set, validation_set):
    script = tmp_path / "train.py"
    script.write_text(_TRAIN)
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        config = write_config(
            folder,
            training_set,
            validation_set,
            epochs=1,
            detector={"name": "fredect", "options": {"blocks": [1], "size": 16, "protocol": "uniform"}},
        )
        done = torchrun(processes, script, config)
        assert done.returncode == 0, done.stderr
        found.append(newest(folder / "out")["model"])
    for name in ("dct_mean", "dct_var"):
        torch.testing.assert_close(found[0][name], found[1][name])
    assert found[0]["dct_mean"].any()


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
