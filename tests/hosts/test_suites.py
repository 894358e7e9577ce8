"""The same detector on the same pictures has the same scores inside a suite as in `d3qe-bench run`.

`make test-hosts` installs the suites that pip can get; the others need a checkout, named by an
environment variable.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.scores import read_scores
from tests.conftest import Command
from tests.hosts import layouts
from tests.hosts.layouts import Labelled

pytestmark = pytest.mark.hosts

FERRETNET = ("--detectors", "ferretnet_s")


def installed(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make test-hosts installs it")


def checkout(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no checkout")
    return Path(os.environ[variable])


@dataclass(frozen=True)
class Run:
    """A finished host run."""

    rows: pd.DataFrame
    record: dict
    printed: str

    @property
    def host(self) -> dict:
        return self.record["host"]


@pytest.fixture
def weights(shared: Path) -> tuple[str, str]:
    return "--weights", f"ferretnet_s={shared / 'weights' / 'ferretnet-s-median-3.pth'}"


@pytest.fixture
def host(command: Command, tmp_path: Path, weights: tuple[str, str]) -> Callable[..., Run]:
    def run(suite: str, arguments: list[str], *options: str, code: int = 0) -> Run:
        out = tmp_path / "host-run"
        finished = command(
            "host",
            "run",
            suite,
            *(options or (*FERRETNET, *weights)),
            "--out",
            out,
            "--",
            *arguments,
            timeout=1800,
        )
        assert finished.returncode == code, finished.stderr[-3000:]
        return Run(read_scores(out), json.loads((out / "run.json").read_text()), finished.stderr)

    return run


@pytest.fixture
def ours(command: Command, tmp_path: Path, weights: tuple[str, str]) -> Callable[..., pd.DataFrame]:
    """`d3qe-bench run` on pictures, by their unique names."""

    def run(pictures: list[Labelled], *options: str) -> pd.DataFrame:
        folder = tmp_path / "ours"
        for label, name in enumerate(("0_real", "1_fake")):
            layouts.linked([one for one in pictures if one.label == label], folder / "data" / name)
        out = folder / "run"
        chosen = options or (*FERRETNET, *weights)
        data = ("--data", folder / "data", "--data-option", "follow_links=true")
        finished = command("run", *data, *chosen, "--bootstrap", "0", "--out", out, timeout=1800)
        assert finished.returncode == 0, finished.stderr[-3000:]
        frame = read_scores(out)
        return frame.assign(name=frame["path"].map(lambda path: Path(path).name)).set_index("name")

    return run


def assert_same(found: pd.DataFrame, names: pd.Series, expected: pd.DataFrame, auroc: float | None) -> None:
    """Scores within 1e-5, labels equal, AUROC within 1e-9 of ours and of what the suite computed."""
    assert sorted(names) == sorted(expected.index)
    ordered = expected.loc[list(names)]
    assert found["error"].isna().all()
    assert np.array_equal(found["label"], ordered["label"])
    assert np.abs(found["score"].to_numpy() - ordered["score"].to_numpy()).max() < 1e-5
    in_suite = roc_auc_score(found["label"], found["score"])
    assert in_suite == pytest.approx(roc_auc_score(ordered["label"], ordered["score"]), abs=1e-9)
    if auroc is not None:
        assert auroc == pytest.approx(in_suite, abs=1e-9)


def base_names(frame: pd.DataFrame) -> pd.Series:
    return frame["path"].map(lambda path: Path(path).name)


# the whole of the field data takes minutes, a part of it shows most faults
AMOUNTS = pytest.mark.parametrize("each", [3, pytest.param(None, marks=pytest.mark.slow)])


@AMOUNTS
def test_detectzoo(
    host: Callable[..., Run],
    ours: Callable[..., pd.DataFrame],
    shared: Path,
    tmp_path: Path,
    each: int | None,
) -> None:
    installed("detectzoo")
    pictures = layouts.field(shared / "data" / "field", each)
    assert each or len(pictures) == 526
    run = host("detectzoo", layouts.for_detectzoo(pictures, tmp_path / "data"))
    names = base_names(run.rows)
    assert_same(run.rows, names, ours(pictures), run.host["figures"]["ferretnet_s"]["roc_auc"])
    golden = pd.read_csv(shared / "golden" / "ferretnet_s_field.csv")
    parts = golden["path"].str.split("/")
    golden.index = pd.Index(parts.str[1] + "-" + golden["label"].astype(str) + "-" + parts.str[3])
    assert np.abs(run.rows["logit"].to_numpy() - golden["logit"].loc[list(names)].to_numpy()).max() < 1e-3


@AMOUNTS
def test_deepsafe(
    host: Callable[..., Run],
    ours: Callable[..., pd.DataFrame],
    shared: Path,
    tmp_path: Path,
    each: int | None,
) -> None:
    installed("deepsafe")
    pictures = layouts.field(shared / "data" / "field", each)
    run = host("deepsafe", layouts.for_deepsafe(pictures, tmp_path / "data"))
    assert_same(run.rows, base_names(run.rows), ours(pictures), run.host["figures"]["ferretnet_s"]["auc"])
    assert set(run.rows["generator"]) == {picture.generator for picture in pictures}
    assert run.host["shims"] == {}
    assert run.host["deviations"] == []


@pytest.mark.slow
def test_forensichub(
    host: Callable[..., Run], ours: Callable[..., pd.DataFrame], shared: Path, tmp_path: Path
) -> None:
    installed("ForensicHub")
    pictures = layouts.field(shared / "data" / "field", each=3)
    assert len(pictures) % 7, "the suite has to score its last, smaller batch too"
    run = host("forensichub", layouts.for_forensichub(pictures, tmp_path / "data"))
    figures = run.host["figures"]["ferretnet_s"]["field"]
    assert_same(run.rows, base_names(run.rows), ours(pictures), figures["image-level AUC"])
    assert "squashes every picture" in run.host["shims"]["data set D3QEBenchPictures for AIGCLabelDataset"]
    assert all(f"shim: {what} ({why})" in run.printed for what, why in run.host["shims"].items())


@pytest.mark.slow
def test_deepfakebench(
    host: Callable[..., Run],
    ours: Callable[..., pd.DataFrame],
    shared: Path,
    tmp_path: Path,
    weights: tuple[str, str],
) -> None:
    root = layouts.copied(checkout("D3QE_BENCH_DEEPFAKEBENCH"), tmp_path / "checkout")
    pictures = layouts.field(shared / "data" / "field", each=2)
    arguments = layouts.for_deepfakebench(pictures, root)
    run = host("deepfakebench", arguments, *FERRETNET, *weights, "--root", str(root))
    numbers = run.rows["path"].map(lambda path: int(Path(path).stem))
    names = numbers.map(lambda number: pictures[number].name)
    assert_same(run.rows, names, ours(pictures), run.host["figures"]["ferretnet_s"]["field"]["auc"])
    assert run.host["deviations"] == [
        "pictures are read as files from rgb_dir, not from DeepfakeBench's LMDB copy"
    ]


@pytest.mark.slow
def test_gasbench_on_pictures_that_its_resizing_leaves_alone(
    host: Callable[..., Run],
    ours: Callable[..., pd.DataFrame],
    shared: Path,
    tmp_path: Path,
    weights: tuple[str, str],
) -> None:
    root = checkout("D3QE_BENCH_GASBENCH")
    pictures = layouts.field(shared / "data" / "field", generators=["minDALL-E", "StyleGAN2-church"], each=5)
    arguments = layouts.for_gasbench(pictures, tmp_path / "data")
    run = host("gasbench", arguments, *FERRETNET, *weights, "--root", str(root))
    chosen = [[one.name for one in pictures if one.label == label] for label in (0, 1)]
    numbers = run.rows["path"].map(lambda path: int(Path(path).stem.removeprefix("img_")))
    names = pd.Series(
        [chosen[label][number] for label, number in zip(run.rows["label"], numbers, strict=True)]
    )
    assert_same(run.rows, names, ours(pictures), None)
    assert run.host["figures"]["ferretnet_s"]["total_samples"] == len(pictures)
    assert run.host["deviations"] == [
        "GASBench cuts pictures to a centred square and resizes that to 256×256 (OpenCV, bilinear) "
        "before ferretnet_s sees them"
    ]


@pytest.mark.slow
def test_d3qe_seeded_in_detectzoo(
    host: Callable[..., Run], ours: Callable[..., pd.DataFrame], shared: Path, tmp_path: Path
) -> None:
    installed("detectzoo")
    pictures = layouts.field(shared / "data" / "field", generators=["minDALL-E"], each=2)
    options = ("--detectors", "d3qe", "--allow-untrained", "--seed", "3")
    run = host("detectzoo", layouts.for_detectzoo(pictures, tmp_path / "data"), *options)
    assert_same(
        run.rows, base_names(run.rows), ours(pictures, *options), run.host["figures"]["d3qe"]["roc_auc"]
    )
    assert run.record["detectors"]["d3qe"]["untrained"] is True


@pytest.mark.parametrize("suite", ["detectzoo", "deepsafe"])
def test_a_broken_picture_is_an_error_row_and_exit_1(
    host: Callable[..., Run], shared: Path, tmp_path: Path, suite: str
) -> None:
    installed(suite)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    pictures = [
        *layouts.field(shared / "data" / "field", generators=["minDALL-E"], each=3),
        Labelled(broken, 0, "x"),
    ]
    layout = layouts.for_detectzoo if suite == "detectzoo" else layouts.for_deepsafe
    run = host(suite, layout(pictures, tmp_path / "data"), code=1)
    failed = run.rows[run.rows["error"].notna()]
    assert list(base_names(failed)) == ["x-0-broken.png"]
    assert "not a picture" in failed["error"].item()
    assert run.rows["logit"].notna().sum() == 6
    assert "x-0-broken.png" in run.printed


@pytest.mark.parametrize(
    ("suite", "install"),
    [("deepfakebench", "git clone https://github.com/SCLBD/DeepfakeBench"), ("gasbench", "git clone")],
)
def test_a_folder_that_is_no_checkout(
    command: Command, tmp_path: Path, weights: tuple[str, str], suite: str, install: str
) -> None:
    for root in ([], ["--root", str(tmp_path)]):
        finished = command("host", "run", suite, *FERRETNET, *weights, *root, "--out", tmp_path / "out")
        assert finished.returncode == 2
        assert install in finished.stderr
        assert len(finished.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
