"""One run by several processes: shards of a batch queue, and ranks that take what they have time for."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.ranks import joined
from benchmarks.runfolder.scores import read_scores
from benchmarks.runner.claims import FOLDER, ClaimedBatches, Claims, shared_claims
from tests.pictures import make_test_sets
from tests.runner.test_run import common
from tests.training.processes import free_port, start


def d3qe_bench(arguments: list[str], count: str) -> None:
    os.environ["D3QE_TEST_COUNT"] = count
    sys.argv = ["d3qe-bench", *arguments]
    from benchmarks.cli import main

    main()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_three_shards_give_the_rows_of_one_process_and_a_killed_one_is_resumed(invoke, tmp_path, monkeypatch):
    data, out, count = make_test_sets(tmp_path / "data"), tmp_path / "run", tmp_path / "count"
    monkeypatch.setenv("D3QE_TEST_COUNT", str(count))
    more = ["--batch-size", "2", "--bootstrap", "50", "--flush-seconds", "0.01"]
    arguments = [*common(data, out, "counting"), *more]

    def shard(number: int):
        request = [*arguments, "--shard", f"{number}/3"]
        return start(d3qe_bench, request, str(count), log=tmp_path / f"log{number}")

    first = shard(1)
    until(lambda: count.exists() and len(count.read_text().splitlines()) >= 4)
    os.kill(first.pid, signal.SIGSTOP)
    assert 0 < len(read_scores(out)) < 12, (
        "it was stopped too early or too late for this test to mean anything"
    )
    for refused, said in (
        (arguments, "in use by shard 1/3, process"),
        ([*arguments, "--shard", "1/3"], "shard 1/3 of"),
        ([*arguments, "--shard", "2/3", "--seed", "1"], "in use by shards of another request"),
    ):
        done = invoke(*refused)
        assert (done.code, said in done.err) == (2, True), done.err
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    others = [shard(2), shard(3)]
    for process in others:
        process.join(120)
        assert process.exitcode == 0
    assert any("rows of others are missing" in (tmp_path / f"log{n}").read_text() for n in (2, 3))
    assert not (out / "metrics.json").exists()

    resumed = invoke(*arguments, "--shard", "1/3")
    assert (resumed.code, (out / "metrics.json").is_file()) == (0, True), resumed.err
    assert invoke(*common(data, tmp_path / "one", "counting"), *more).code == 0
    one, three = (read_scores(run) for run in (tmp_path / "one", out))
    pd.testing.assert_frame_equal(one, three, check_exact=True)
    assert (tmp_path / "one" / "metrics.json").read_text() == (out / "metrics.json").read_text()


@pytest.mark.parametrize("shard", ["0/3", "4/3", "2", "a/b", "1/"])
def test_what_is_no_shard_is_refused(invoke, tmp_path, shard):
    done = invoke("run", "--shard", shard, "--out", tmp_path / "run")
    assert (done.code, "shard is I/N with I from 1 to N" in done.err) == (2, True), done.err


def take_turns(rank: int, port: int, run: Path, batches: int) -> None:
    """Take batches as a process would that is `rank + 1` times as slow as the first; the clock is the work that was done."""
    os.environ.update(RANK=str(rank), WORLD_SIZE="4", MASTER_ADDR="localhost", MASTER_PORT=str(port))
    with joined("pytorch", "cpu") as processes, shared_claims(run, processes) as claims:
        mine = iter(ClaimedBatches(batches * 8, 8, claims, "job"))
        clock, taken, working = 0, [], True
        while True:
            clocks = processes.gather(clock if working else None)
            left = [one for one in clocks if one is not None]
            if not left:
                break
            if working and clocks.index(min(left)) == rank:
                batch = next(mine, None)
                working = batch is not None
                clock += (rank + 1) * working
                taken += batch or []
        Path(run, f"{rank}.txt").write_text(f"{clock} {' '.join(map(str, taken))}")


def test_four_ranks_of_unequal_speed_end_within_a_tenth_of_each_other(tmp_path):
    port = free_port()
    ranks = [start(take_turns, rank, port, tmp_path, 400, log=tmp_path / f"log{rank}") for rank in range(4)]
    for process in ranks:
        process.join(180)
        assert process.exitcode == 0
    told = [list(map(int, (tmp_path / f"{rank}.txt").read_text().split())) for rank in range(4)]
    clocks = [clock for clock, *_ in told]
    assert min(clocks) >= 0.9 * max(clocks), clocks
    assert sorted(index for _, *taken in told for index in taken) == list(range(400 * 8))
    assert len(told[0]) > 3.5 * len(told[3])
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_one_process_takes_all_batches_in_order():
    assert list(ClaimedBatches(7, 3, Claims(), "job")) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(ClaimedBatches(0, 3, Claims(), "job")) == []
