"""The device of tests marked `gpu`, and runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from benchmarks.runfolder.record import RunRecord, read_record
from benchmarks.runfolder.scores import read_scores
from tests.conftest import Invoke

REHEARSAL = "D3QE_BENCH_GPU_REHEARSAL"
"""Set, these tests run on the CPU: all of them but what CUDA alone does."""


@pytest.fixture(scope="session")
def device() -> str:
    """`cuda`, or `cpu` in a rehearsal."""
    if os.environ.get(REHEARSAL):
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip(f"no CUDA device; with {REHEARSAL}=1 the CPU takes its part")
    return "cuda"


@pytest.fixture(scope="session")
def cuda(device: str) -> bool:
    """Whether this is no rehearsal."""
    return device == "cuda"


class Scored(NamedTuple):
    """Rows of a run, in order, and its record."""

    rows: pd.DataFrame
    record: RunRecord


Run = Callable[..., Scored]


@pytest.fixture
def run(invoke: Invoke, tmp_path: Path, device: str) -> Run:
    """`d3qe-bench run` on a few pictures of every mini test set, into a folder of this name; on the device unless said."""

    def score(name: str, detectors: str, *more: object, on: str = device, limit: int = 3) -> Scored:
        done = invoke(
            "run", "--data", "mini", "--limit", limit, "--detectors", detectors, "--batch-size", 8, "--bootstrap", 0,
            "--device", on, "--out", tmp_path / name, *more,
        )  # fmt: skip
        assert done.code == 0, done.err
        rows = read_scores(tmp_path / name)
        order = ["detector", "dataset", "perturbation", "path"]
        return Scored(rows.sort_values(order).reset_index(drop=True), read_record(tmp_path / name))

    return score


def largest_difference(one: Scored, other: Scored) -> float:
    """Of two logits of one picture by one detector."""
    keys = ["detector", "dataset", "perturbation", "path"]
    assert one.rows[keys].equals(other.rows[keys])
    assert one.rows["error"].isna().all()
    assert other.rows["error"].isna().all()
    return float((one.rows["logit"] - other.rows["logit"]).abs().max())
