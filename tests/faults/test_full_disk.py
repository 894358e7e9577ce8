"""A disk that is full at any write: one line, what was written stays valid, the same command goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.datasets.prepared import PreparedSet, read_index
from benchmarks.runfolder.scores import read_scores
from benchmarks.training.checkpoints import newest
from tests.datasets.test_published import arforensics, in_parts
from tests.faults import children
from tests.faults.counts import Counts
from tests.faults.scoring import scoring
from tests.pictures import make_test_sets
from tests.training.conftest import same, write_config
from tests.training.toy import write_pictures

pytestmark = pytest.mark.faults


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Path], list[str | Path]]:
    data = make_test_sets(tmp_path / "data", 2)
    return lambda out: scoring(data, out, resamples=5)


@pytest.fixture
def train(tmp_path: Path) -> Callable[[Path], list[str | Path]]:
    sets = write_pictures(tmp_path / "training", 12), write_pictures(tmp_path / "validation", 6, seed=1)
    config = write_config(tmp_path, *sets, epochs=2, augmentation={"copies": 1})
    return lambda out: ["train", config, "--out", out, "--features", out / "features"]


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[[Path], list[str | Path]]:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in in_parts(arforensics(tmp_path / "made" / "ARForensics", count=1)).items():
        (source / name).write_bytes(content)
    return lambda out: ["data", "prepare", "ARForensics", source]


SIZES = 5


def check_run(out: Path, undisturbed: Path) -> None:
    assert read_scores(out).equals(read_scores(undisturbed))


def check_training(out: Path, undisturbed: Path) -> None:
    after, expected = newest(out), newest(undisturbed)
    assert after is not None
    assert expected is not None
    assert same(after["model"], expected["model"])
    assert (out / "best.safetensors").read_bytes() == (undisturbed / "best.safetensors").read_bytes()


def check_data(out: Path, undisturbed: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        tables = []
        for folder in (out, undisturbed):
            patch.setenv("D3QE_BENCH_DATA", str(folder))
            tables.append(read_index(PreparedSet("ARForensics").index, "ARForensics").rows)
    assert tables[0].equals(tables[1])


STEPS = {"run": 3, "train": 2, "prepare": 1}
"""How many writes more each attempt may make: all of a run would take minutes."""

CHECKS = {"run": (check_run, 0), "train": (check_training, 0), "prepare": (check_data, 1)}


@pytest.mark.parametrize("name", CHECKS)
def test_at_any_write(name: str, tmp_path: Path, counts: Counts, request: pytest.FixtureRequest) -> None:
    """Each attempt may write a little more than the one before, into the same folder, until it comes to its end."""
    arguments, (check, done) = request.getfixturevalue(name), CHECKS[name]
    log, out, undisturbed = tmp_path / "log", tmp_path / "out", tmp_path / "undisturbed"
    code, said = children.run(
        *arguments(undisturbed), log=log, environment={"D3QE_BENCH_DATA": str(undisturbed)}
    )
    assert code == done, said
    writes = full = 0
    while True:
        code, said = children.run(
            *arguments(out),
            log=log,
            environment={"D3QE_BENCH_DATA": str(out)},
            setup=("tests.faults.disk:fills_up", (out, writes)),
        )
        assert "Traceback" not in said
        if "No space left on device" not in said:
            break
        assert code == 1, said
        last = said.strip().splitlines()[-1]
        assert last.startswith("d3qe-bench: No space left on device (")
        assert last.endswith("; what was finished is kept, run the same command again")
        full += 1
        writes += STEPS[name]
    assert code == done, said
    assert full > 10
    check(out, undisturbed)
    counts.add("full disks, injected", name, full)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system in memory of so many KiB, or makes the one that is there so large."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def sized(kibibytes: int) -> Path:
        nonlocal mounted
        options = f"size={kibibytes}k" + (",remount" if mounted else "")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip(
                "this machine does not allow to mount a file system: writes that fail are injected only"
            )
        mounted = True
        return folder

    yield sized
    if mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", CHECKS)
def test_small_file_systems(
    name: str,
    tmp_path: Path,
    counts: Counts,
    request: pytest.FixtureRequest,
    small_disk: Callable[[int], Path],
) -> None:
    """A real one that is full in the middle of a write, of ever larger size; then it is large enough."""
    arguments, (check, done) = request.getfixturevalue(name), CHECKS[name]
    log, undisturbed = tmp_path / "log", tmp_path / "undisturbed"
    environment = {"D3QE_BENCH_DATA": str(undisturbed)}
    assert children.run(*arguments(undisturbed), log=log, environment=environment)[0] == done
    needed = sum(path.stat().st_size for path in undisturbed.rglob("*") if path.is_file()) // 1024
    full = 0
    for number in range(SIZES):
        out = small_disk(max(8, needed * (number + 1) // (SIZES + 1))) / f"out {number}"
        environment = {"D3QE_BENCH_DATA": str(out)}
        code, said = children.run(*arguments(out), log=log, environment=environment)
        assert "Traceback" not in said
        assert code in (1, done, 2), said
        if code != done or "No space left" in said:
            full += 1
            assert "No space left on device" in said or " GiB are free" in said, said
            small_disk(64 * 1024)
            code, said = children.run(*arguments(out), log=log, environment=environment)
        assert code == done, said
        check(out, undisturbed)
        subprocess.run(["find", out.parent, "-mindepth", "1", "-delete"], check=True)
    assert full >= SIZES // 2
    counts.add("full disks, small file systems", name, full)
