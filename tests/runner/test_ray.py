"""A run by Ray: the same bits as one process, and nothing lost or twice when processes are killed."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.runfolder.provenance import versions
from benchmarks.runfolder.record import read_record
from benchmarks.runfolder.resume import with_device
from benchmarks.runfolder.scores import read_scores
from benchmarks.runner.loop import pictures_of_batch
from benchmarks.runner.pending import Job
from benchmarks.runner.portions import TRIES, Portions
from benchmarks.runner.ray_actor import Opened
from benchmarks.runner.ray_pool import compare
from registry import Picture, TestSet, UserError
from tests.conftest import ROOT
from tests.faults import children
from tests.pictures import make_test_sets
from tests.runner.test_run import cell_of, common
from tests.runs import record as record_of
from tests.training.processes import free_port

BAD_PLUGIN = Path(__file__).with_name("ray_plugin.py")
MORE = ["--batch-size", "2", "--bootstrap", "50", "--flush-seconds", "0.01"]


PATIENCE = 600.0
"""Seconds; a cluster of Ray starts slowly where others are at work."""


def run(*arguments: str | Path, log: Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of a command and what it printed."""
    code = children.finish(children.start(*arguments, log=log, environment=environment), PATIENCE)
    return code, log.read_text(encoding="utf-8")


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def job(name: str, pictures: int, perturbations: int = 1) -> Job:
    found = tuple(Picture(f"{name}/{number}.png", number % 2) for number in range(pictures))
    test_set = TestSet(name, Path("data"), "VAR", "AR", found)
    first = found[0].path
    conditions = tuple(f"jpeg:{number + 1}" for number in range(perturbations))
    return Job(test_set, found, ("univfd", "npr"), conditions, {first: [(test_set, Picture("copy", 0))]})


def taken(work: Portions, processes: int = 2, seconds: float = 1.0) -> Iterator[tuple[str, list[str]]]:
    while portion := work.take("node", ["node"], processes):
        work.done(portion, seconds * portion.batches)
        yield portion.test_set, [one.path for one in portion.pictures]


@pytest.mark.parametrize("flush_seconds", [0.01, 3.0, 1e9])
def test_portions_are_whole_batches_of_one_process_each_once(flush_seconds):
    jobs = [job("AR", 101), job("GAN", 7, perturbations=4), job("diffusion", 1)]
    found = list(taken(Portions(jobs, 8, flush_seconds)))
    for one in jobs:
        size = pictures_of_batch(8, one.perturbations)
        parts = [paths for name, paths in found if name == one.test_set.name]
        assert [path for part in parts for path in part] == [picture.path for picture in one.pictures]
        assert all(len(part) % size == 0 for part in parts[:-1])
    assert max(len(part) for _, part in found) <= max(8, 8 * flush_seconds)


def test_portions_get_smaller_towards_the_end_of_a_set_and_take_about_the_time_that_a_kill_may_lose():
    sizes = [len(paths) for _, paths in taken(Portions([job("AR", 4000)], 1, 30.0), seconds=0.5)]
    assert sizes[:3] == [1, 60, 60]
    assert sizes[-10:-1] == [6] * 9
    assert sorted(sizes[1:], reverse=True) == sizes[1:]


def test_a_portion_is_the_job_where_its_sets_and_only_some_detectors_are_known():
    whole = job("AR", 5)
    portion = Portions([whole], 4, 1.0).take("node", ["node"], 1)
    assert portion is not None
    known = TestSet("AR", Path("elsewhere"), "VAR", "AR", ())
    here = portion.job({"AR": known}, {"npr", "rine"})
    assert (here.test_set, here.pictures, here.detectors) == (known, whole.pictures[:4], ("npr",))
    assert here.copies == {"AR/0.png": [(known, Picture("copy", 0))]}


def test_what_fails_is_tried_elsewhere_and_at_last_given_up():
    work = Portions([job("AR", 2)], 2, 1.0)
    portion = work.take("one", ["one", "two"], 2)
    assert (work.take("two", ["one", "two"], 2), work.waiting) == (None, 0)
    work.failed(portion, "one", "it burns")
    assert work.waiting == 1
    assert work.take("one", ["one", "two"], 2) is None, "another node can have it"
    assert work.take("two", ["one", "two"], 2) == portion
    work.failed(portion, "two", "it burns")
    for _ in range(TRIES - 2):
        assert work.take("one", ["one", "two"], 2) == portion, "it failed everywhere"
        work.failed(portion, "one", "it burns, too")
    assert (work.take("two", ["one", "two"], 2), work.waiting) == (None, 0)
    assert work.not_scored() == [
        f"AR: 2 pictures were not scored: {TRIES} actors failed on them, the last: it burns, too"
    ]


def test_all_that_is_left_can_be_given_up():
    work = Portions([job("AR", 6), job("GAN", 2)], 2, 1.0)
    work.done(work.take("node", ["node"], 2), 1.0)
    work.give_up("the disk is full")
    assert (work.take("node", ["node"], 2), work.waiting) == (None, 0)
    assert work.not_scored() == [
        "AR: 4 pictures were not scored: the disk is full",
        "GAN: 2 pictures were not scored: the disk is full",
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"versions": {"torch": "1.0"}}, "node far has torch 1.0, the command has"),
        (
            {"records": {"npr": {"weights": {"file": "npr.pth", "sha256": "cd" * 32}}}},
            "another weights file of npr",
        ),
        ({"records": {"npr": {"encoders": {"clip": "cd"}}}}, "another encoder of npr"),
        ({"records": {}}, None),  # it could not be built there, and that is noted
        ({}, None),
    ],
)
def test_a_node_with_other_versions_or_weights_is_refused(other, said):
    records = {
        "npr": {
            "name": "npr",
            "weights": {"file": "npr.pth", "sha256": "ab" * 32},
            "encoders": {"clip": "ab"},
        }
    }
    there = {
        name: {**facts, **other.get("records", records)[name]}
        for name, facts in records.items()
        if name in other.get("records", records)
    }
    opened = Opened(
        "far",
        "cpu",
        "a CPU",
        {**versions(), "platform": "another", **other.get("versions", {})},
        {},
        [],
        there,
        {},
    )
    if said is None:
        compare(records, opened)
        return
    with pytest.raises(UserError, match=said):
        compare(records, opened)


def test_the_first_actor_says_what_it_computes_on(tmp_path):
    fresh = record_of({}, command=["d3qe-bench"])
    noted = with_device(fresh, "cuda:0", "a GPU", {"clip": None}, ["clip"], tmp_path)
    assert (noted.device, noted.device_name, noted.micro_batches) == ("cuda:0", "a GPU", {"clip": None})
    assert noted.compiled == ["clip"]
    assert noted.command == ["d3qe-bench"]
    again = with_device(noted, "cuda:0", "another", {"clip": None, "vq": 4}, ["clip"], tmp_path)
    assert (again.device_name, again.micro_batches) == ("a GPU; another", {"clip": None, "vq": 4})
    with pytest.raises(UserError, match=r"its encoder vq ran as it is, now compiled \(--compile\)"):
        with_device(again, "cuda:0", "a GPU", {"vq": 4}, ["vq"], tmp_path)
    with pytest.raises(
        UserError, match=r"went through vq by 4, now by 1 \(--micro-batch\)\. Choose another --out"
    ):
        with_device(again, "cuda:0", "a GPU", {"vq": 1}, [], tmp_path)
    elsewhere = with_device(again, "cpu", "a CPU", {"vq": 1}, [], tmp_path)
    assert (elsewhere.micro_batches["vq"], elsewhere.compiled) == (1, ["clip"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shard", "1/2"], "--shard is for batch queues"),
        (["--cost"], "--cost measures in one process"),
        (["--micro-batch", "probe"], "--micro-batch probe measures in one process"),
        (["--ray-address", "ray://head:10001"], "start the command on a node of the cluster"),
        ([], 'pip install "d3qe-bench[ray]"'),
    ],
)
def test_what_cannot_be_is_one_line(invoke, tmp_path, monkeypatch, arguments, said):
    if not arguments:
        monkeypatch.setitem(sys.modules, "ray", None)
    data = make_test_sets(tmp_path / "data", 1)
    done = invoke(*common(data, tmp_path / "run"), "--launcher", "ray", *arguments)
    assert (done.code, said in done.err, len(done.err.splitlines())) == (2, True, 1), done.err


@pytest.fixture(scope="module")
def ray_environment() -> Iterator[dict[str, str]]:
    """With a folder for Ray's logs and sockets, whose paths have to be short."""
    pytest.importorskip("ray", reason="Ray is not installed")
    folder = tempfile.mkdtemp(prefix="ray")
    yield {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "HOME": folder}
    assert not Path(folder, ".ray").exists(), "Ray left a token in the user's home"
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster of this machine. environment: of commands that use it."""

    head: psutil.Process
    environment: dict[str, str]

    def actors(self, since: float) -> list[psutil.Process]:
        """Processes of actors that were started after a time."""
        found = []
        for process in self.head.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::RayScorer"):
                    found += [process] if process.create_time() >= since else []
        return found


@pytest.fixture(scope="module")
def ray_cluster(ray_environment) -> Iterator[Cluster]:
    """A cluster of one node with room for two actors, which outlives the commands that use it."""
    port = free_port()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **ray_environment, **token, "PYTHONPATH": str(ROOT)}
    arguments = ["--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    arguments += [
        "--disable-usage-stats",
        f"--object-store-memory={128 * 1024**2}",
        "--node-ip-address=127.0.0.1",
    ]
    log = Path(ray_environment["RAY_TMPDIR"], "log")
    with log.open("w") as stream:
        started = subprocess.Popen(
            [Path(sys.executable).with_name("ray"), "start", *arguments],
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    head = psutil.Process(started.pid)
    try:
        until(lambda: "Ray runtime started" in log.read_text() or started.poll() is not None)
        assert started.poll() is None, log.read_text()
        yield Cluster(head, {**ray_environment, **token, "RAY_ADDRESS": f"127.0.0.1:{port}"})
    finally:
        processes = [*head.children(recursive=True), head]
        started.terminate()
        _, alive = psutil.wait_procs(processes, timeout=20)
        for process in alive:
            process.kill()
        started.wait()


def rows_on_disk(run: Path) -> pd.DataFrame:
    """All rows of all score files, also those that stand twice."""
    return pd.concat(
        [pq.ParquetFile(file).read().to_pandas() for file in (run / "scores").rglob("*.parquet")]
    )


def assert_as_one_process(run: Path, one: Path) -> None:
    pd.testing.assert_frame_equal(read_scores(run), read_scores(one), check_exact=True)
    assert len(rows_on_disk(run)) == len(read_scores(one))
    assert (run / "metrics.json").read_text() == (one / "metrics.json").read_text()
    assert not list(run.rglob(".*.tmp"))


@pytest.mark.slow
def test_two_actors_give_the_bits_of_one_process(tmp_path, ray_environment, monkeypatch):
    data, log = make_test_sets(tmp_path / "data"), tmp_path / "log"
    shutil.copy(data / "AR/VAR/0_real/picture 1.v1.png", data / "GAN/ProGAN/0_real/a copy.png")
    (data / "diffusion/ADM/1_fake/broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)  # what is relative means the same in actors
    asked = [*common(Path("data"), Path("run"), "brightness,iar_mini"), "--perturb", "jpeg:75", *MORE]
    ray = [*asked, "--launcher", "ray", "--ray-actors", "2", "--workers", "1"]
    code, said = run(*ray, log=log, environment=ray_environment)
    assert (code, "diffusion/ADM: 13 pictures" in said) == (1, True), said
    one = [*asked[: -len(MORE)], *MORE, "--out", "one"]
    code, said = run(*one, log=log)
    assert code == 1, said
    assert_as_one_process(tmp_path / "run", tmp_path / "one")
    records = [read_record(tmp_path / run) for run in ("run", "one")]
    for key in ("device", "device_name", "micro_batches", "encoders", "datasets", "detectors", "versions"):
        assert getattr(records[0], key) == getattr(records[1], key), key

    # the broken picture is tried again, by one process or by Ray
    assert run(*ray, log=log, environment=ray_environment)[0] == 1
    assert_as_one_process(tmp_path / "run", tmp_path / "one")


@pytest.mark.slow
def test_ten_kills_of_actors_and_drivers_lose_no_row_and_double_none(tmp_path, ray_cluster):
    data, log, out, count = (tmp_path / name for name in ("data", "log", "run", "count"))
    make_test_sets(data, 60)
    asked = [*common(data, out, "counting"), *MORE]
    environment = {**ray_cluster.environment, "D3QE_TEST_COUNT": str(count)}
    draw = random.Random(10)
    kills = ["actor"] * 6 + ["driver"] * 2
    draw.shuffle(kills)

    def scored() -> int:
        return len(count.read_text().splitlines()) if count.exists() else 0

    process = None
    # one process goes on with what Ray has left, and Ray with what that has left
    for kill in [*kills, "driver", "one process", "actor"]:
        if process is None:
            began = time.time()
            launcher = "none" if kill == "one process" else "ray"
            process = children.start(*asked, "--launcher", launcher, log=log, environment=environment)
        wanted = scored() + draw.randint(1, 25)
        until(lambda: scored() >= wanted or not process.is_alive())  # noqa: B023
        time.sleep(draw.uniform(0, 0.1))  # between two pictures, or while one is written
        assert process.is_alive(), f"ended before it was killed: {log.read_text()}"
        if kill == "actor":
            until(lambda: ray_cluster.actors(began) or not process.is_alive())  # noqa: B023
            draw.choice(ray_cluster.actors(began)).kill()
            continue
        process.kill()
        process.join()
        process = None
        assert 0 < len(read_scores(out)) < 360
    assert children.finish(process, PATIENCE) == 0, log.read_text()
    assert "not scored" not in log.read_text()
    alone = [*common(data, tmp_path / "one", "counting"), *MORE]
    code, said = run(*alone, log=log, environment={"D3QE_TEST_COUNT": str(tmp_path / "other")})
    assert code == 0, said
    assert len(read_scores(out)) == 360
    assert_as_one_process(out, tmp_path / "one")


@pytest.mark.slow
def test_what_kills_every_actor_is_named_and_the_rest_is_scored(tmp_path, ray_cluster):
    data, log, out = make_test_sets(tmp_path / "data", 3), tmp_path / "log", tmp_path / "run"
    Image.new("RGB", (48, 40), "white").save(data / "AR/VAR/1_fake/white.png")
    asked = [*common(data, out, "deadly"), "--plugin", BAD_PLUGIN, *MORE]
    # more actors than there is room for: who waits takes the place of who dies, and holds up nothing at the end
    arguments = [*asked, "--launcher", "ray", "--ray-actors", "5"]
    code, said = run(*arguments, log=log, environment=ray_cluster.environment)
    assert code == 1, said
    assert f"pictures were not scored: {TRIES} actors failed on them, the last: its process ended" in said
    assert "Traceback" not in said
    found = read_scores(out)
    assert 17 <= len(found) < 19
    assert "AR/VAR/1_fake/white.png" not in set(found["path"])
    cell = cell_of(out, dataset="AR/VAR", perturbation="none")
    assert cell["status"] == "partial"


@pytest.mark.slow
def test_a_users_error_in_an_actor_is_one_line(tmp_path, ray_cluster):
    data, log, out = make_test_sets(tmp_path / "data", 1), tmp_path / "log", tmp_path / "run"
    arguments = [*common(data, out, "refused"), "--plugin", BAD_PLUGIN, "--launcher", "ray"]
    code, said = run(*arguments, log=log, environment=ray_cluster.environment)
    assert code == 2, said
    assert said.splitlines() == [r"d3qe-bench: no licence\nin this process"]
    assert not ray_cluster.actors(0)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(tmp_path, ray_environment):
    data, log = make_test_sets(tmp_path / "data", 1), tmp_path / "log"
    asked = [*common(data, tmp_path / "run"), "--launcher", "ray"]
    nowhere = f"127.0.0.1:{free_port()}"
    for more, said in (
        (["--ray-address", nowhere], f"Ray cluster {nowhere}: "),
        (["--device", "cuda"], "the Ray cluster has no GPU"),
        (["--device", "cuda:1"], "say --device cuda"),
        (["--ray-cpus", "4000"], "--ray-cpus 4000: the Ray cluster has"),
    ):
        code, printed = run(*asked, *more, log=log, environment=ray_environment)
        assert (code, said in printed, len(printed.splitlines())) == (2, True, 1), printed
