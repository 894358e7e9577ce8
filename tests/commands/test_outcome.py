"""What a command says of files that are not there, and of disks that fail."""

from __future__ import annotations

import errno
import os

import pytest

from benchmarks.commands.outcome import end_plainly
from tests.pictures import make_test_sets
from tests.runner import plugin_file

PLUGIN = plugin_file.__file__


@pytest.mark.parametrize("key", ["detector", "weights"])
def test_a_missing_weights_file_of_a_configuration_is_named_with_its_key(invoke, tmp_path, key):
    make_test_sets(tmp_path / "data", count=2)
    missing = tmp_path / "none.pth"
    detector = f"{{name: learned, weights: {missing}}}" if key == "detector" else "{name: learned}"
    weights = f"weights: {{learned: {missing}}}" if key == "weights" else ""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: [{tmp_path / 'data'}]\ndetectors: [{detector}]\n{weights}\nplugins: [{PLUGIN}]\nout: {tmp_path / 'run'}\n"
    )

    done = invoke("run", config)

    place = "detectors: learned.weights" if key == "detector" else "weights: learned"
    assert (done.code, done.err) == (
        2,
        f"d3qe-bench: {config}: {place}: there is no such file: {missing}\n",
    )


@pytest.mark.parametrize("command", ["run", "predict", "figures"])
def test_a_missing_weights_file_of_an_option(invoke, tmp_path, command):
    make_test_sets(tmp_path / "data", count=2)
    data = [tmp_path / "data"] if command == "predict" else ["--data", tmp_path / "data"]
    detector = "--detector" if command == "figures" else "--detectors"

    done = invoke(
        command, *data, detector, "learned", "--plugin", PLUGIN, "--weights", f"learned={tmp_path / 'none.pth'}",
        "--out", tmp_path / "out",
    )  # fmt: skip

    assert done.code == 2
    assert done.err == f"d3qe-bench: --weights: learned: there is no such file: {tmp_path / 'none.pth'}\n"


@pytest.mark.parametrize("command", ["report", "train", "run", "predict", "audit", "study"])
def test_a_named_file_that_is_not_there(invoke, tmp_path, command):
    missing = tmp_path / "none"
    more = ["--detectors", "random_score"] if command == "predict" else []
    done = invoke(command, missing, *more)
    assert done.code == 2
    assert str(missing) in done.err
    assert len(done.err.splitlines()) == 1


def test_a_file_that_cannot_be_written(invoke, tmp_path):
    make_test_sets(tmp_path / "data", count=2)
    (tmp_path / "file").touch()
    done = invoke(
        "predict", tmp_path / "data", "--detectors", "random_score", "--out", tmp_path / "file" / "out"
    )
    assert done.code == 2
    assert str(tmp_path / "file") in done.err


@pytest.mark.parametrize(
    ("code", "exits"),
    [
        (errno.ENOSPC, 1), (errno.EIO, 1), (errno.EROFS, 1), (errno.EDQUOT, 1), (errno.ESTALE, 1),
        (errno.ENOENT, 2), (errno.EACCES, 2), (errno.EISDIR, 2), (errno.ENOTDIR, 2),
    ],
)  # fmt: skip
def test_only_a_disk_that_fails_means_that_work_is_kept(capsys, code, exits):
    def fail() -> None:
        raise OSError(code, os.strerror(code), "some/file")

    with pytest.raises(SystemExit) as stop:
        end_plainly(fail, "d3qe-bench")

    said = capsys.readouterr().err
    assert stop.value.code == exits
    assert ("what was finished is kept" in said) == (exits == 1)
    assert os.strerror(code) in said
    assert "some/file" in said


def test_an_error_of_ours_is_not_taken_for_the_users():
    def fail() -> None:
        raise OSError("no error number, no file")

    with pytest.raises(OSError, match="no error number"):
        end_plainly(fail, "d3qe-bench")
