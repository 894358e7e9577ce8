"""A folder has one owner at a time; one that died holds nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runfolder.owner import OWNER, sole_owner
from registry import UserError
from tests.conftest import ROOT, Invoked
from tests.pictures import make_class_folders

HOLD = """
import sys, time
from pathlib import Path
from benchmarks.runfolder.owner import sole_owner
with sole_owner(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def held(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_with_the_first_ones_name(
    tmp_path: Path, held: subprocess.Popen[str]
) -> None:
    expected = rf"in use by process {held.pid} on {socket.gethostname()} since \d{{4}}-"
    with pytest.raises(UserError, match=expected), sole_owner(tmp_path):
        pytest.fail("two owners")


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    held.send_signal(signal.SIGKILL)
    held.wait()
    assert (tmp_path / OWNER).is_file(), "it had no time to tidy up"
    with sole_owner(tmp_path):
        assert str(os.getpid()) in (tmp_path / OWNER).read_text()
    assert not (tmp_path / OWNER).exists()


def test_a_damaged_note_does_not_hide_the_refusal(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    (tmp_path / OWNER).write_text("{")
    with pytest.raises(UserError, match="in use by another process"), sole_owner(tmp_path):
        pytest.fail("two owners")


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_second_command_on_a_folder_is_refused(
    tmp_path: Path, held: subprocess.Popen[str], invoke: type[Invoked], command: str
) -> None:
    make_class_folders(tmp_path / "data" / "VAR", 2)
    config = tmp_path / "train.yaml"
    config.write_text(
        f"detector: {{name: cnnspot, options: {{blocks: [1, 1, 1, 1]}}}}\n"
        f"data: {{sets: ['{tmp_path / 'data'}']}}\nout: '{tmp_path}'\nbatch_size: 2\n"
    )
    request = {
        "run": ("--data", tmp_path / "data", "--detectors", "random_score", "--out", tmp_path),
        "train": (config,),
    }[command]
    done = invoke(command, *request)
    assert done.code == 2
    assert f"in use by process {held.pid} on {socket.gethostname()}" in done.err
    assert not (tmp_path / "scores").exists()


def test_the_owner_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    below = tmp_path / "scores" / "detector=a"
    below.mkdir(parents=True)
    left = [tmp_path / ".run.json.123.tmp", below / ".part-0.parquet.9.tmp"]
    kept = [tmp_path / "mine.tmp", below / "part-0.parquet"]
    for path in (*left, *kept):
        path.write_text("")
    with sole_owner(tmp_path):
        assert [path.exists() for path in (*left, *kept)] == [False, False, True, True]
