"""Two processes train as one does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_all
from tests.conftest import ROOT
from tests.training.conftest import write_config
from tests.training.processes import train_together


def torchrun(processes: int, config) -> subprocess.CompletedProcess[str]:
    """`d3qe-bench train CONFIG`, as the documentation starts it in several processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [sys.executable, *launcher, "-m", "benchmarks.cli", "train", str(config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.slow
def test_same_counts_steps_and_pictures_under_torchrun(tmp_path, training_set, validation_set):
    detector, found = {"name": "toy", "options": {"dropout": 0.0}}, []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        config = write_config(tmp_path / name, training_set, validation_set, epochs=3, detector=detector)
        if name == "one":
            assert train_all([config]) == 0
        else:
            done = torchrun(2, config)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count("epoch 3/3") == 1
        found.append(newest(tmp_path / name / "out"))
    one, two = found
    assert two["processes"] == 2
    assert torch.equal(one["model"]["counts"], two["model"]["counts"])
    assert int(one["model"]["counts"].sum()) > 0
    assert [e["train_loss"] for e in two["history"]] == pytest.approx(
        [e["train_loss"] for e in one["history"]], abs=0.05
    )
    assert two["trained_on"] == one["trained_on"]


def test_statistics_before_the_training_are_of_all_processes(tmp_path, training_set, validation_set):
    detector, found = {"name": "fredect", "options": {"blocks": [1], "size": 16, "protocol": "uniform"}}, []
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        config = write_config(folder, training_set, validation_set, epochs=1, detector=detector)
        assert train_together(config, count, folder / "log") == [0] * count
        found.append(newest(folder / "out"))
    one, two = found
    for name in ("dct_mean", "dct_var"):
        torch.testing.assert_close(one["model"][name], two["model"][name])
    assert one["model"]["dct_mean"].any()


def test_a_nan_in_two_processes_ends_both(tmp_path, training_set, validation_set):
    config = write_config(
        tmp_path, training_set, validation_set, detector={"name": "toy", "options": {"explode_at": 4}}
    )
    assert train_together(config, 2, tmp_path / "log") == [1, 1]
    assert "loss nan in epoch 2" in (tmp_path / "log.0").read_text()
    assert newest(tmp_path / "out")["epoch"] == 1
