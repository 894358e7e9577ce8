"""Every command works on data and weights folders that nobody can write to, as a shared disk is mounted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks.loading import load_catalogs
from benchmarks.loading.locate import stored
from benchmarks.runfolder.evaluate import evaluate_run
from registry.weights import weights_file
from tests.conftest import ROOT, Invoked
from tests.metrics.samples import normal
from tests.runs import dataset, detector, make_run, rows_of
from tests.training.conftest import TOY_PLUGIN
from tests.training.toy import Toy, write_pictures

SCRIPT = """
import json, sys
from benchmarks.cli import main

codes = {}
for line in json.loads(sys.argv[1]):
    sys.argv = ["d3qe-bench", *line]
    try:
        main()
        codes[" ".join(line)] = 0
    except SystemExit as stop:
        codes[" ".join(line)] = stop.code or 0
print("codes", json.dumps(codes))
"""
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


@pytest.fixture
def locked() -> Iterator[Callable[[Path], list[str]]]:
    """Makes a folder read-only; what to put before a command that is to find it so.

    By a mount of the command's own, which binds the superuser as well, else by permissions, which bind all others.
    """
    changed: list[Path] = []

    def lock(folder: Path) -> list[str]:
        if shutil.which("unshare"):
            mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder)]
            if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode == 0:
                return mounted
        if os.geteuid() == 0:
            pytest.skip("no folder is read-only for the superuser where nothing can be mounted")
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
            changed.append(path)
        return []

    yield lock
    for path in changed:
        path.chmod(path.stat().st_mode | 0o200)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that is in a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_a_run_that_cannot_be_written_to(tmp_path: Path, locked: Callable[[Path], list[str]]) -> None:
    """What is computed is reported elsewhere; what has to be computed there is refused in a line that says what to do."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    own.mkdir()
    for name in ("new", "old"):
        make_run(
            shared / name,
            {"a": detector(), "b": detector()},
            {"AR/VAR": dataset("AR", "VAR", 30, 30)},
            lambda cell: rows_of(*normal(30, 30, 1.0, seed=ord(cell.detector))),
        )
        evaluate_run(shared / name, load_catalogs().metrics, bootstrap=20)
    metrics = json.loads((shared / "old" / "metrics.json").read_text())
    del metrics["computed_from"]  # as before there were digests
    (shared / "old" / "metrics.json").write_text(json.dumps(metrics))
    commands = [
        ["report", str(shared / "new"), "--out", str(own / "new")],
        ["failures", str(shared / "new"), "--out", str(own / "new")],
        ["report", str(shared / "old"), "--out", str(own / "old")],
    ]
    done = subprocess.run(
        [*locked(shared), sys.executable, "-c", SCRIPT, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=own,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    codes = json.loads(done.stdout.rpartition("codes ")[2])
    assert list(codes.values()) == [0, 0, 2], done.stderr
    assert (own / "new" / "leaderboard.html").exists()
    (line,) = [line for line in done.stderr.splitlines() if "cannot be written to" in line]
    assert f"copy the folder (`cp -r {shared / 'old'} COPY`) and name the copy" in line
    assert not (own / "old").exists()


@pytest.mark.slow
def test_read_only_folders(
    tmp_path: Path,
    locked: Callable[[Path], list[str]],
    invoke: Callable[..., Invoked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    own.mkdir()
    environment = {
        "D3QE_BENCH_DATA": str(shared / "data"),
        "D3QE_BENCH_WEIGHTS": str(shared / "weights"),
        "D3QE_BENCH_CONVERTED": str(own / "converted"),
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    pictures = shared / "pictures"
    write_pictures(pictures / "made", 8)
    for label, name in (("0_real", "real"), ("1_fake", "var_d20")):
        (pictures / "darg/c2i").mkdir(parents=True, exist_ok=True)
        (pictures / "made" / label).rename(pictures / "darg/c2i" / name)
    (pictures / "made").rmdir()
    assert invoke("data", "prepare", "DARG", pictures / "darg").code == 0
    weights = shared / "weights" / "toy.pth"
    weights.parent.mkdir()
    torch.save({"model": Toy().state_dict()}, weights)
    fetched = stored("npr", load_catalogs().detectors.entry("npr").card.weights[0])
    fetched.parent.mkdir()
    shutil.copy(weights, fetched)

    toy = {"plugins": [str(TOY_PLUGIN)], "device": "cpu", "allow_untrained": True}
    train = {
        "detector": {"name": "toy", "weights": str(weights)},
        "data": {"sets": ["DARG"]},
        "validation": {"sets": [str(pictures / "darg")]},
        "out": str(own / "training"),
        "epochs": 1,
        "batch_size": 8,
        **toy,
    }
    study = {
        "detectors": [{"name": "toy"}],
        "training_sets": {"AR": {"data": {"sets": ["DARG"]}}},
        "training": {"epochs": 1, "batch_size": 8, **toy},
        "test": {"data": ["DARG"], "bootstrap": 0},
        "out": str(own / "study"),
    }
    (own / "train.yaml").write_text(yaml.safe_dump(train))
    (own / "study.yaml").write_text(yaml.safe_dump(study))
    scoring = [
        "--detectors",
        "toy",
        "--weights",
        f"toy={weights}",
        "--plugin",
        str(TOY_PLUGIN),
        "--allow-untrained",
    ]
    commands = [
        ["data", "list"],
        ["data", "info", "DARG"],
        ["data", "verify", "DARG"],
        ["weights", "list"],
        ["weights", "get", "npr"],
        ["list", "datasets"],
        ["audit", "DARG", "--out", str(own / "audit.json")],
        ["run", "--data", "DARG", *scoring, "--bootstrap", "0", "--dry-run", "--out", str(own / "run")],
        ["run", "--data", "DARG", *scoring, "--bootstrap", "0", "--out", str(own / "run")],
        ["run", "--data", str(pictures / "darg"), *scoring, "--bootstrap", "0", "--out", str(own / "walked")],
        ["report", str(own / "run")],
        ["predict", str(pictures / "darg/c2i/real"), *scoring],
        ["train", str(own / "train.yaml")],
        ["study", str(own / "study.yaml")],
    ]
    before = state(shared)
    done = subprocess.run(
        [*locked(shared), sys.executable, "-c", SCRIPT, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=own,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    codes = json.loads(done.stdout.rpartition("codes ")[2])
    assert {command: code for command, code in codes.items() if code} == {}, done.stderr[-3000:]
    assert state(shared) == before
    (converted,) = (own / "converted").iterdir()
    assert converted.stem == weights_file(weights).sha256, "the pickle's conversion went to the user's cache"
