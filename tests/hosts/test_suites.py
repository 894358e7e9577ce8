"""The same detector on the same pictures has the same scores inside a suite as in `d3qe-bench run`.

`make test-hosts` installs the suites that pip can get; the others need a checkout, named by an
environment variable.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.runfolder.scores import read_scores
from tests.conftest import Command
from tests.hosts import layouts
from tests.hosts.layouts import Labelled

pytestmark = pytest.mark.hosts

DETECTORS = ("ferretnet_s", "d3qe_mini")
"""The first with the weights its authors published, the second with those that the project ships."""


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

    def of(self, detector: str) -> pd.DataFrame:
        """The rows of one detector."""
        return self.rows[self.rows["detector"] == detector]


@pytest.fixture(scope="session")
def weights(shared: Path) -> tuple[str, str]:
    return "--weights", f"ferretnet_s={shared / 'weights' / 'ferretnet-s-median-3.pth'}"


@pytest.fixture(scope="session")
def pictures(shared: Path) -> list[Labelled]:
    found = layouts.field(shared / "data" / "field")
    assert len(found) == 526
    return found


@pytest.fixture
def host(command: Command, tmp_path: Path, weights: tuple[str, str]) -> Callable[..., Run]:
    def run(
        suite: str, arguments: list[str], detectors: Sequence[str], root: Path | None = None, code: int = 0
    ) -> Run:
        out = tmp_path / "host-run"
        options = ["--detectors", ",".join(detectors), "--bootstrap", "0", "--out", out]
        options += weights if "ferretnet_s" in detectors else ()
        options += ["--root", root] if root else []
        finished = command("host", "run", suite, *options, "--", *arguments, timeout=3600)
        assert finished.returncode == code, finished.stderr[-3000:]
        return Run(read_scores(out), json.loads((out / "run.json").read_text()), finished.stderr)

    return run


@pytest.fixture(scope="session")
def ours(
    command: Command,
    weights: tuple[str, str],
    pictures: list[Labelled],
    tmp_path_factory: pytest.TempPathFactory,
) -> pd.DataFrame:
    """What `d3qe-bench run` makes of all pictures, by detector and unique file name."""
    folder = tmp_path_factory.mktemp("ours")
    for label, name in enumerate(("0_real", "1_fake")):
        layouts.linked([one for one in pictures if one.label == label], folder / "data" / name)
    data = ("--data", folder / "data", "--data-option", "follow_links=true", "--bootstrap", "0")
    chosen = ("--detectors", ",".join(DETECTORS), *weights, "--out", folder / "run")
    finished = command("run", *data, *chosen, timeout=3600)
    assert finished.returncode == 0, finished.stderr[-3000:]
    frame = read_scores(folder / "run")
    return frame.assign(name=base_names(frame)).set_index(["detector", "name"]).sort_index()


def assert_same(found: pd.DataFrame, names: Sequence[str], ours: pd.DataFrame, auroc: float | None) -> None:
    """Scores within 1e-5, labels equal, AUROC within 1e-9 of ours and of what the suite computed."""
    (detector,) = set(found["detector"])
    assert len(set(names)) == len(names)
    expected = ours.loc[detector].loc[list(names)]
    assert found["error"].isna().all()
    assert np.array_equal(found["label"], expected["label"])
    assert np.abs(found["score"].to_numpy() - expected["score"].to_numpy()).max() < 1e-5
    in_suite = roc_auc_score(found["label"], found["score"])
    assert in_suite == pytest.approx(roc_auc_score(expected["label"], expected["score"]), abs=1e-9)
    if auroc is not None:
        assert auroc == pytest.approx(in_suite, abs=1e-9)


def base_names(frame: pd.DataFrame) -> list[str]:
    return [Path(path).name for path in frame["path"]]


def few(pictures: list[Labelled], each: int, generators: Sequence[str] = ()) -> list[Labelled]:
    """The first pictures of each class of each generator."""
    chosen: dict[tuple[str, int], list[Labelled]] = {}
    for picture in pictures:
        if not generators or picture.generator in generators:
            chosen.setdefault((picture.generator, picture.label), []).append(picture)
    return [picture for group in chosen.values() for picture in group[:each]]


@pytest.mark.slow
def test_detectzoo(
    host: Callable[..., Run], ours: pd.DataFrame, pictures: list[Labelled], shared: Path, tmp_path: Path
) -> None:
    installed("detectzoo")
    run = host("detectzoo", layouts.for_detectzoo(pictures, tmp_path / "data"), DETECTORS)
    for detector in DETECTORS:
        rows = run.of(detector)
        assert len(rows) == len(pictures)
        assert_same(rows, base_names(rows), ours, run.host["figures"][detector]["roc_auc"])
    golden = pd.read_csv(shared / "golden" / "ferretnet_s_field.csv")
    parts = golden["path"].str.split("/")
    golden.index = pd.Index(parts.str[1] + "-" + golden["label"].astype(str) + "-" + parts.str[3])
    rows = run.of("ferretnet_s")
    published = golden["logit"].loc[base_names(rows)]
    assert np.abs(rows["logit"].to_numpy() - published.to_numpy()).max() < 1e-3


@pytest.mark.slow
def test_deepsafe(
    host: Callable[..., Run], ours: pd.DataFrame, pictures: list[Labelled], tmp_path: Path
) -> None:
    installed("deepsafe")
    run = host("deepsafe", layouts.for_deepsafe(pictures, tmp_path / "data"), DETECTORS)
    for detector in DETECTORS:
        rows = run.of(detector)
        assert len(rows) == len(pictures)
        assert_same(rows, base_names(rows), ours, run.host["figures"][detector]["auc"])
    assert set(run.rows["generator"]) == {picture.generator for picture in pictures}
    assert run.host["shims"] == {}
    assert run.host["deviations"] == []


@pytest.mark.slow
def test_forensichub(
    host: Callable[..., Run], ours: pd.DataFrame, pictures: list[Labelled], tmp_path: Path
) -> None:
    installed("ForensicHub")
    chosen = few(pictures, each=3)
    assert len(chosen) % 7, "the suite has to score its last, smaller batch too"
    run = host("forensichub", layouts.for_forensichub(chosen, tmp_path / "data"), DETECTORS)
    for detector in DETECTORS:
        rows = run.of(detector)
        assert len(rows) == len(chosen)
        figures = run.host["figures"][detector]["field"]
        assert_same(rows, base_names(rows), ours, figures["image-level AUC"])
    assert "squashes every picture" in run.host["shims"]["data set D3QEBenchPictures for AIGCLabelDataset"]
    assert all(f"shim: {what} ({why})" in run.printed for what, why in run.host["shims"].items())


@pytest.mark.slow
def test_deepfakebench(
    host: Callable[..., Run], ours: pd.DataFrame, pictures: list[Labelled], tmp_path: Path
) -> None:
    root = layouts.copied(checkout("D3QE_BENCH_DEEPFAKEBENCH"), tmp_path / "checkout")
    chosen = few(pictures, each=2)
    run = host("deepfakebench", layouts.for_deepfakebench(chosen, root), DETECTORS, root)
    for detector in DETECTORS:
        rows = run.of(detector)
        assert len(rows) == len(chosen)
        names = [chosen[int(Path(path).stem)].name for path in rows["path"]]
        assert_same(rows, names, ours, run.host["figures"][detector]["field"]["auc"])
    assert run.host["deviations"] == [
        "pictures are read as files from rgb_dir, not from DeepfakeBench's LMDB copy"
    ]


@pytest.mark.slow
def test_gasbench_on_pictures_that_its_resizing_leaves_alone(
    host: Callable[..., Run], ours: pd.DataFrame, pictures: list[Labelled], tmp_path: Path
) -> None:
    root = checkout("D3QE_BENCH_GASBENCH")
    chosen = few(pictures, each=5, generators=["minDALL-E", "StyleGAN2-church"])
    arguments = layouts.for_gasbench(chosen, tmp_path / "data")
    run = host("gasbench", arguments, ["ferretnet_s"], root)
    by_label = [[one.name for one in chosen if one.label == label] for label in (0, 1)]
    numbers = [int(Path(path).stem.removeprefix("img_")) for path in run.rows["path"]]
    names = [by_label[label][number] for label, number in zip(run.rows["label"], numbers, strict=True)]
    assert len(names) == len(chosen)
    assert_same(run.rows, names, ours, None)
    assert run.host["figures"]["ferretnet_s"]["total_samples"] == len(chosen)
    assert run.host["deviations"] == [
        "GASBench cuts pictures to a centred square and resizes that to 256×256 (OpenCV, bilinear) "
        "before ferretnet_s sees them"
    ]


@pytest.mark.parametrize("suite", ["detectzoo", "deepsafe"])
def test_a_broken_picture_is_an_error_row_and_exit_1(
    host: Callable[..., Run], pictures: list[Labelled], tmp_path: Path, suite: str
) -> None:
    installed(suite)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    chosen = [*few(pictures, each=3, generators=["minDALL-E"]), Labelled(broken, 0, "x")]
    layout = layouts.for_detectzoo if suite == "detectzoo" else layouts.for_deepsafe
    run = host(suite, layout(chosen, tmp_path / "data"), ["random_score"], code=1)
    failed = run.rows[run.rows["error"].notna()]
    assert base_names(failed) == ["x-0-broken.png"]
    assert "not a picture" in failed["error"].item()
    assert run.rows["logit"].notna().sum() == 6
    assert "x-0-broken.png" in run.printed
    (deviation,) = run.host["deviations"]
    assert "1 pictures that could not be scored count as 0.5" in deviation
