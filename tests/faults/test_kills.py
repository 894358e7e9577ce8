"""SIGKILL at random moments, then the same command again: it ends as if it had never been killed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from benchmarks.datasets.prepared import PreparedSet, read_index
from benchmarks.runfolder.scores import read_scores
from benchmarks.training.checkpoints import newest
from tests.datasets.servers import hub_of
from tests.datasets.test_published import arforensics, in_parts
from tests.faults import children
from tests.faults.counts import Counts
from tests.pictures import make_test_sets
from tests.runner.test_run import PLUGIN
from tests.training.conftest import same, write_config
from tests.training.toy import write_pictures

pytestmark = pytest.mark.faults

KILLS = 30
IN_A_ROW = 3
"""A command is killed at most so often before it may end."""


@dataclass
class Command:
    """What is killed. arguments: of d3qe-bench, by the folder it writes to. done: its exit code where all is well.

    left: checks what a kill left. whole: checks what the command made in the end.
    """

    arguments: Callable[[Path], list[str | Path]]
    whole: Callable[[Path], None]
    left: Callable[[Path], None] = lambda folder: None
    done: int = 0
    environment: Callable[[Path], dict[str, str]] = lambda folder: {}
    killed: int = field(default=0, init=False)

    def start(self, folder: Path, log: Path) -> children.ForkServerProcess:
        return children.start(*self.arguments(folder), log=log, environment=self.environment(folder))


def kill_and_repeat(command: Command, tmp_path: Path, counts: Counts, name: str) -> None:
    """Kill at moments between the start and the time that an undisturbed command takes, until there were enough."""
    log = tmp_path / "log"
    children.run("--help", log=log)  # starts the server that children are forked from
    began = time.monotonic()
    assert children.finish(command.start(tmp_path / "first", log)) == command.done, log.read_text()
    takes = time.monotonic() - began
    moments = random.Random(name)
    while command.killed < KILLS:
        folder = tmp_path / f"after {command.killed} kills"
        for _ in range(IN_A_ROW):
            process = command.start(folder, log)
            process.join(moments.uniform(0, takes))
            if not process.is_alive():
                break
            process.kill()
            process.join()
            command.killed += 1
            command.left(folder)
        code = children.finish(command.start(folder, log))
        assert code == command.done, log.read_text()
        assert "Traceback" not in log.read_text()
        assert not list(folder.rglob(".*.tmp")), "drafts of killed processes stay for ever"
        command.whole(folder)
    counts.add("kills", name, command.killed)


def metrics_of(run: Path) -> dict[str, object]:
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    return {key: metrics[key] for key in ("metrics", "cells", "means")}


def test_run(tmp_path: Path, counts: Counts) -> None:
    data = make_test_sets(tmp_path / "data", 8)
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            {
                "data": [str(data)],
                "plugins": [str(PLUGIN)],
                "detectors": [{"name": "brightness"}, {"name": "random_score"}],
                "perturbations": ["jpeg:75"],
                "bootstrap": 20,
                "batch_size": 4,
                "flush_seconds": 1e-6,
            }
        )
    )
    undisturbed = tmp_path / "first"
    keys = ["detector", "dataset", "perturbation", "path"]

    def left(run: Path) -> None:
        if run.is_dir():
            rows = read_scores(run)
            assert not rows.duplicated(keys).any()

    def whole(run: Path) -> None:
        rows, expected = read_scores(run), read_scores(undisturbed)
        assert len(rows) == 2 * 2 * 3 * 16
        assert not rows.duplicated(keys).any()
        assert rows.equals(expected), "rows that are lost or other"
        assert metrics_of(run) == metrics_of(undisturbed)

    command = Command(lambda out: ["run", config, "--out", out], whole, left)
    kill_and_repeat(command, tmp_path, counts, "run")


def test_training(tmp_path: Path, counts: Counts) -> None:
    training = write_pictures(tmp_path / "training", 12)
    validation = write_pictures(tmp_path / "validation", 6, seed=1)
    config = write_config(tmp_path, training, validation, epochs=6)
    undisturbed = tmp_path / "first"

    def whole(out: Path) -> None:
        after, expected = newest(out), newest(undisturbed)
        assert after is not None
        assert expected is not None
        assert after["history"] == expected["history"]
        assert same(after["model"], expected["model"])
        for state, other in zip(
            *(found["optimizer"]["state"].values() for found in (after, expected)), strict=True
        ):
            assert all(torch.equal(state[key], other[key]) for key in state)
        for name in ("best.safetensors", "best.json", "history.json"):
            assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name

    command = Command(lambda out: ["train", config, "--out", out], whole)
    kill_and_repeat(command, tmp_path, counts, "train")


@pytest.fixture
def index_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[dict[str, object]]]:
    """The rows of the index in a data folder, and of the pictures on the disk."""

    def read(folder: Path) -> list[dict[str, object]]:
        monkeypatch.setenv("D3QE_BENCH_DATA", str(folder))
        index = read_index(PreparedSet("ARForensics").index, "ARForensics")
        found: list[dict[str, object]] = index.rows.to_pylist()
        for row in found:
            assert (index.root / str(row["path"])).stat().st_size == row["size"]
        return found

    return read


def test_data_get(
    tmp_path: Path, counts: Counts, index_of: Callable[[Path], list[dict[str, object]]]
) -> None:
    files = in_parts(arforensics(tmp_path / "made" / "ARForensics"))
    with hub_of("Yanran21/ARForensics", files) as hub:

        def environment(folder: Path) -> dict[str, str]:
            return {
                "HF_ENDPOINT": hub.address,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HOME": str(tmp_path / "hub"),
                "D3QE_BENCH_DATA": str(folder),
            }

        def whole(folder: Path) -> None:
            assert index_of(folder) == index_of(tmp_path / "first")
            for name, content in files.items():
                assert (folder / "ARForensics" / "downloads" / name).read_bytes() == content

        command = Command(
            # 1: smaller than what was published, which it says
            lambda folder: ["data", "get", "ARForensics", "--yes"],
            whole,
            done=1,
            environment=environment,
        )
        kill_and_repeat(command, tmp_path, counts, "data get")


def test_data_prepare(
    tmp_path: Path, counts: Counts, index_of: Callable[[Path], list[dict[str, object]]]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in in_parts(arforensics(tmp_path / "made" / "ARForensics", count=12)).items():
        (source / name).write_bytes(content)

    def whole(folder: Path) -> None:
        assert index_of(folder) == index_of(tmp_path / "first")

    command = Command(
        lambda folder: ["data", "prepare", "ARForensics", source],
        whole,
        done=1,
        environment=lambda folder: {"D3QE_BENCH_DATA": str(folder)},
    )
    kill_and_repeat(command, tmp_path, counts, "data prepare")
