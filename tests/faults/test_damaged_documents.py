"""200 damaged configurations, manifests, run.json, Parquet files and checkpoints: one line or the right numbers."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks.runfolder.scores import read_scores
from benchmarks.training.checkpoints import newest
from tests.conftest import Invoke, Invoked
from tests.faults.counts import Counts
from tests.faults.mutations import mutated
from tests.faults.scoring import scoring
from tests.pictures import make_class_folders
from tests.runner.test_run import PLUGIN
from tests.training.conftest import same, write_config
from tests.training.toy import write_pictures

pytestmark = pytest.mark.faults

EACH = 40
SECONDS = 60


@contextlib.contextmanager
def no_hang() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"still busy after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def tried(invoke: Invoke) -> Callable[..., Invoked]:
    """Runs a command, which ends in time and without a traceback: with 0, or in one line that says why not."""

    def run(*arguments: str | Path) -> Invoked:
        with no_hang():
            done = invoke(*arguments)
        assert "Traceback" not in done.err + done.out
        assert done.code in (0, 1, 2)
        if done.code == 2:
            lines = [line for line in done.err.splitlines() if line.startswith("d3qe-bench: ")]
            assert len(lines) == 1, done.err
            assert len(lines[0]) < 2000
        return done

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_class_folders(tmp_path / "data" / "VAR", 3)
    return tmp_path / "data"


def cells(run: Path) -> dict[tuple[str, ...], object]:
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    return {
        (cell["detector"], cell["dataset"], cell["perturbation"]): (
            cell["n_real"],
            cell["n_fake"],
            cell["metrics"],
        )
        for cell in metrics["cells"]
        if cell["status"] == "complete"
    }


def test_configurations(tmp_path: Path, data: Path, tried: Callable[..., Invoked], counts: Counts) -> None:
    values = {
        "data": [str(data)],
        "plugins": [str(PLUGIN)],
        "detectors": [{"name": "brightness", "label": "bright"}],
        "perturbations": ["jpeg:75"],
        "bootstrap": 0,
        "batch_size": 4,
        "fair": [],
        "seed": 1,
    }
    content = yaml.safe_dump(values).encode()
    refused = 0
    for seed in range(EACH):
        config, out = tmp_path / "config.yaml", tmp_path / f"run {seed}"
        config.write_bytes(mutated(content, seed))
        done = tried("run", config, "--out", out)
        refused += done.code == 2
        if done.code == 0:
            rows = read_scores(out)
            assert len(rows) == rows["path"].nunique() * rows["perturbation"].nunique()
            assert rows["path"].nunique() == 6
        shutil.rmtree(out, ignore_errors=True)
    counts.add("damaged files, refused in one line", "configuration", refused)
    counts.add("damaged files, read as what is left of them or made anew", "configuration", EACH - refused)


def test_manifests(tmp_path: Path, data: Path, tried: Callable[..., Invoked], counts: Counts) -> None:
    files = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    text = "path,label,generator\n" + "".join(f"{file},{int('1_fake' in file)},VAR\n" for file in files)
    refused = 0
    for seed in range(EACH):
        manifest, out = data / "pictures.csv", tmp_path / f"run {seed}"
        manifest.write_bytes(mutated(text.encode(), seed))
        done = tried(*scoring(manifest, out))
        refused += done.code == 2
        if done.code != 2:
            rows = read_scores(out)
            assert (rows["logit"].notna() ^ rows["error"].notna()).all()
            record = json.loads((out / "run.json").read_text("utf-8"))
            asked = [sum(one["asked"].values()) for one in record["datasets"].values()]
            assert len(rows) == sum(asked), "each row of the manifest is scored or named"
        shutil.rmtree(out, ignore_errors=True)
    counts.add("damaged files, refused in one line", "manifest", refused)
    counts.add("damaged files, read as what is left of them or made anew", "manifest", EACH - refused)


@pytest.mark.parametrize("name", ["run.json", "scores"])
def test_run_folders(
    name: str, tmp_path: Path, data: Path, tried: Callable[..., Invoked], counts: Counts
) -> None:
    run = tmp_path / "run"
    arguments = scoring(data, run)
    assert tried(*arguments).code == 0
    expected = cells(run)
    file = run / name if name == "run.json" else next((run / "scores").rglob("*.parquet"))
    content = file.read_bytes()
    refused = 0
    for seed in range(EACH):
        file.write_bytes(mutated(content, seed))
        done = tried("report", run, "--recompute")
        refused += done.code == 2
        if done.code == 0:
            found = cells(run)
            assert all(found[key] == expected[key] for key in found.keys() & expected.keys()), (
                "a wrong number"
            )
            if name == "scores":
                assert found == expected
    file.write_bytes(content)
    assert tried("report", run, "--recompute").code == 0
    assert cells(run) == expected
    counts.add("damaged files, refused in one line", name, refused)
    counts.add("damaged files, read as what is left of them or made anew", name, EACH - refused)


def test_checkpoints(tmp_path: Path, data: Path, tried: Callable[..., Invoked], counts: Counts) -> None:
    """A detector's weights file: what cannot be its is refused before anything is scored."""
    torch.save({"model": {"weight": torch.tensor(2.0)}}, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    refused = 0
    for seed in range(EACH // 2):
        file, out = tmp_path / f"weights {seed}.pth", tmp_path / f"run {seed}"
        file.write_bytes(mutated(content, seed))
        done = tried(
            *(
                "run",
                "--data",
                data,
                "--plugin",
                PLUGIN,
                "--detectors",
                "learned",
                "--weights",
                f"learned={file}",
            ),
            *("--bootstrap", "0", "--out", out),
        )
        refused += done.code == 2
        if done.code == 2:
            assert not list(out.rglob("*.parquet"))
    counts.add("damaged files, refused in one line", "checkpoint", refused)
    counts.add("damaged files, read as what is left of them or made anew", "checkpoint", EACH // 2 - refused)


def test_checkpoints_of_a_training(tmp_path: Path, tried: Callable[..., Invoked], counts: Counts) -> None:
    """The newest one is damaged: a training goes back to the one before, and ends where it would have ended."""
    sets = write_pictures(tmp_path / "training", 8), write_pictures(tmp_path / "validation", 4, seed=1)
    config = write_config(tmp_path, *sets, epochs=3)
    out = tmp_path / "out"
    assert tried("train", config).code == 0
    whole = {
        path: path.read_bytes() for path in out.rglob("*") if path.is_file() and "logs" not in path.parts
    }
    last = max(path for path in whole if path.suffix == ".pth")
    expected = newest(out)
    assert expected is not None
    for seed in range(EACH // 2):
        last.write_bytes(mutated(whole[last], seed))
        assert tried("train", config).code == 0
        found = newest(out)
        assert found is not None
        assert found["epoch"] == 3
        assert same(found["model"], expected["model"])
        for path, content in whole.items():
            if path.suffix != ".pth":
                assert path.read_bytes() == content, path
    counts.add("damaged files, read as what is left of them or made anew", "checkpoint", EACH // 2)
