"""`d3qe-bench run` on small made-up test sets, with detectors whose answers are known."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.runfolder.scores import SCHEMA, read_scores
from tests.conftest import ROOT
from tests.pictures import make_class_folders, make_test_sets

PLUGIN = Path(__file__).with_name("plugin_file.py")


@pytest.fixture
def data(tmp_path):
    return make_test_sets(tmp_path / "data")


def common(data: Path, out: Path, detectors: str = "brightness") -> list[str]:
    return ["run", "--data", str(data), "--plugin", str(PLUGIN), "--detectors", detectors, "--out", str(out)]


def metrics_of(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def cell_of(run: Path, **coordinates: str) -> dict:
    (found,) = (c for c in metrics_of(run)["cells"] if all(c[k] == v for k, v in coordinates.items()))
    return found


def assert_same_rows(one: Path, other: Path) -> None:
    keys = ["detector", "dataset", "perturbation", "path"]
    first, second = (read_scores(run).sort_values(keys).reset_index(drop=True) for run in (one, other))
    pd.testing.assert_frame_equal(
        first.drop(columns=["logit", "score"]), second.drop(columns=["logit", "score"])
    )
    np.testing.assert_allclose(first["score"], second["score"], atol=1e-5)
    for a, b in zip(metrics_of(one)["cells"], metrics_of(other)["cells"], strict=True):
        assert a["metrics"] == pytest.approx(b["metrics"], abs=1e-6)


def test_rows_and_record(invoke, data, tmp_path):
    result = invoke(*common(data, tmp_path / "run"), "--perturb", "jpeg:75")

    assert result.code == 0, result.err
    frame = read_scores(tmp_path / "run")
    assert len(frame) == 3 * 12 * 2
    assert not frame.duplicated(["detector", "dataset", "perturbation", "path"]).any()
    assert set(frame["paradigm"]) == {"AR", "GAN", "diffusion"}
    assert frame["error"].isna().all()
    np.testing.assert_allclose(frame["score"], 1 / (1 + np.exp(-frame["logit"].astype(float))), rtol=1e-6)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["datasets"]["AR/VAR"]["asked"] == {"real": 6, "fake": 6}
    assert record["command"][0] == "d3qe-bench"
    assert record["perturbations"] == ["none", "jpeg:75"]
    assert {plugin["name"] for plugin in record["plugins"]} >= {"d3qe", "baselines", "plugin_file"}
    assert cell_of(tmp_path / "run", dataset="AR/VAR", perturbation="none")["metrics"]["auroc"] == 1.0


def test_any_parquet_reader_can_read_the_scores(invoke, data, tmp_path):
    assert invoke(*common(data, tmp_path / "run")).code == 0

    with_pandas = pd.read_parquet(tmp_path / "run" / "scores")
    assert len(with_pandas) == 36
    assert set(with_pandas["dataset"].astype(str)) == {"AR/VAR", "GAN/ProGAN", "diffusion/ADM"}
    (file,) = (tmp_path / "run" / "scores" / "detector=brightness" / "dataset=AR%2FVAR").rglob("*.parquet")
    assert pq.read_schema(file).names == SCHEMA.names


def test_a_rerun_scores_nothing_again(invoke, data, tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv("D3QE_TEST_COUNT", str(count))
    arguments = common(data, tmp_path / "run", "counting")
    assert invoke(*arguments).code == 0
    before = count.read_text()

    assert invoke(*arguments).code == 0

    assert count.read_text() == before
    assert len(before.splitlines()) == 36


@pytest.fixture
def common_reals(data):
    """Real pictures of one test set, copied into another under other names, one of them twice; all but one readable."""
    source, target = (data / name / "0_real" for name in ("AR/VAR", "diffusion/ADM"))
    (source / "broken.png").write_bytes(b"no picture")
    shutil.rmtree(target)
    target.mkdir()
    for number, file in enumerate(sorted(source.iterdir())):
        shutil.copy(file, target / f"other name {number}.png")
    shutil.copy(source / "picture 0.v1.png", target / "and again.png")
    return data


def test_a_picture_of_several_sets_is_scored_once(invoke, common_reals, tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_TEST_COUNT", str(tmp_path / "count"))
    arguments = common(common_reals, tmp_path / "run", "counting")

    # a crop is cut at random: from one picture at one place
    assert invoke(*arguments, "--perturb", "crop:0.5").code == 1

    assert len((tmp_path / "count").read_text().splitlines()) == 2 * (36 - 6)
    rows = read_scores(tmp_path / "run").set_index(["perturbation", "path"])
    for perturbation in ("none", "crop:0.5"):
        of_condition = rows.loc[perturbation]
        assert len(of_condition) == 36 + 3
        for number, name in enumerate(["broken.png", *(f"picture {i}.v1.png" for i in range(6))]):
            first = of_condition.loc[f"AR/VAR/0_real/{name}"]
            copies = [f"diffusion/ADM/0_real/other name {number}.png"]
            copies += ["diffusion/ADM/0_real/and again.png"] if name.startswith("picture 0") else []
            for copy in copies:
                own = of_condition.loc[copy]
                assert (own["dataset"], own["paradigm"], own["label"]) == ("diffusion/ADM", "diffusion", 0)
                assert own["error"] == first["error"] or own["logit"] == first["logit"]
    assert rows["error"].notna().sum() == 4

    # a set that joins later and a set that lost its rows are scored as far as they lack rows
    shutil.rmtree(tmp_path / "run" / "scores" / "detector=counting" / "dataset=diffusion%2FADM")
    assert invoke(*arguments, "--perturb", "crop:0.5").code == 1
    pd.testing.assert_frame_equal(
        read_scores(tmp_path / "run").set_index(["perturbation", "path"]).sort_index(), rows.sort_index()
    )


def test_without_digests_every_picture_is_scored_where_it_stands(invoke, common_reals, tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_TEST_COUNT", str(tmp_path / "count"))
    arguments = common(common_reals, tmp_path / "run", "counting")

    assert invoke(*arguments, "--fingerprint", "names", "--bootstrap", "0").code == 1

    assert len((tmp_path / "count").read_text().splitlines()) == 36 + 1


def test_another_detector_joins_a_run(invoke, data, tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_TEST_COUNT", str(tmp_path / "count"))
    assert invoke(*common(data, tmp_path / "run", "counting")).code == 0

    assert invoke(*common(data, tmp_path / "run", "counting,brightness"), "--perturb", "crop:0.8").code == 0

    assert len((tmp_path / "count").read_text().splitlines()) == 72
    assert len(metrics_of(tmp_path / "run")["cells"]) == 2 * 3 * 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--seed", "1"], "seed"),
        (["--precision", "bfloat16"], "dtype"),
        (["--detectors", "brightness=learned", "--allow-untrained"], "registry name of brightness"),
    ],
)
def test_another_request_on_the_same_folder_is_refused(invoke, data, tmp_path, change, named):
    assert invoke(*common(data, tmp_path / "run")).code == 0
    before = read_scores(tmp_path / "run")

    arguments = common(data, tmp_path / "run")
    if change[0] == "--detectors":
        arguments = common(data, tmp_path / "run", change[1])
        change = change[2:]
    result = invoke(*arguments, *change)

    assert result.code == 2
    assert named in result.err
    pd.testing.assert_frame_equal(read_scores(tmp_path / "run"), before)


def test_changed_pictures_are_refused(invoke, data, tmp_path):
    assert invoke(*common(data, tmp_path / "run")).code == 0
    Image.new("RGB", (48, 40)).save(data / "AR" / "VAR" / "0_real" / "picture 0.v1.png")

    result = invoke(*common(data, tmp_path / "run"))

    assert result.code == 2
    assert "other pictures of AR/VAR" in result.err


def test_changed_weights_are_refused(invoke, data, tmp_path):
    import torch

    for name, value in (("one.pth", 1.0), ("two.pth", 2.0)):
        torch.save({"model": {"weight": torch.tensor(value)}}, tmp_path / name)
    arguments = common(data, tmp_path / "run", "learned")
    assert invoke(*arguments, "--weights", f"learned={tmp_path / 'one.pth'}").code == 0

    result = invoke(*arguments, "--weights", f"learned={tmp_path / 'two.pth'}")

    assert result.code == 2
    assert "weights file of learned" in result.err


def test_two_ranks_give_the_rows_of_one(command, invoke, common_reals, tmp_path):
    data = common_reals
    assert invoke(*common(data, tmp_path / "one")).code == 1
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         "-m", "benchmarks.cli", *common(data, tmp_path / "two")],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip

    assert launched.returncode == 1, launched.stderr
    assert "ADM" in launched.stderr  # its broken picture; nothing else failed
    assert_same_rows(tmp_path / "one", tmp_path / "two")


def test_a_killed_run_resumes(invoke, data, tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv("D3QE_TEST_COUNT", str(count))
    arguments = [*common(data, tmp_path / "run", "counting"), "--batch-size", "2", "--flush-seconds", "0.01"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.cli", *arguments], env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (count.exists() and len(count.read_text().splitlines()) >= 8):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(read_scores(tmp_path / "run"))
    assert 0 < done < 36, "the kill came too early or too late for this test to mean anything"

    assert invoke(*arguments).code == 0

    assert invoke(*common(data, tmp_path / "whole", "counting")).code == 0
    assert_same_rows(tmp_path / "run", tmp_path / "whole")


def test_a_broken_detector_stops_alone(invoke, tmp_path):
    make_class_folders(tmp_path / "data" / "VAR", count=20)

    result = invoke(*common(tmp_path / "data", tmp_path / "run", "broken,brightness,unbuildable"))

    assert result.code == 1
    broken = cell_of(tmp_path / "run", detector="broken")
    assert broken["status"] == "failed"
    assert "this detector is broken" in broken["reason"]
    assert "no such luck" in cell_of(tmp_path / "run", detector="unbuildable")["reason"]
    assert cell_of(tmp_path / "run", detector="brightness")["status"] == "complete"
    assert "broken" in result.err


def test_one_picture_that_a_detector_cannot_take_is_one_error_row(invoke, tmp_path):
    folder = tmp_path / "data" / "VAR"
    make_class_folders(folder)
    Image.new("RGB", (40, 40), (0, 0, 0)).save(folder / "0_real" / "dark.png")
    Image.new("RGB", (40, 40), (255, 255, 255)).save(folder / "0_real" / "white.png")

    result = invoke(*common(tmp_path / "data", tmp_path / "run", "picky,brightness"))

    assert result.code == 1
    cell = cell_of(tmp_path / "run", detector="picky")
    assert (cell["status"], cell["n_real"], cell["n_fake"], cell["n_error"]) == ("partial", 6, 6, 2)
    assert cell_of(tmp_path / "run", detector="brightness")["n_error"] == 0
    rows = read_scores(tmp_path / "run").set_index(["detector", "path"])["error"]
    assert rows["picky", "VAR/0_real/dark.png"] == "ValueError: too dark"
    assert rows["picky", "VAR/0_real/white.png"] == "the logit is nan"
    assert "dark.png" in result.err


def test_pictures_that_failed_are_tried_again(invoke, tmp_path):
    folder = tmp_path / "data" / "VAR"
    make_class_folders(folder)
    Image.new("RGB", (40, 40), (0, 0, 0)).save(folder / "0_real" / "dark.png")
    assert invoke(*common(tmp_path / "data", tmp_path / "run", "picky")).code == 1

    assert invoke(*common(tmp_path / "data", tmp_path / "run", "picky")).code == 1

    frame = pd.concat(
        pq.ParquetFile(f).read().to_pandas() for f in (tmp_path / "run" / "scores").rglob("*.parquet")
    )
    assert len(frame) == 13


def test_untrained_detectors_are_refused_or_marked(invoke, data, tmp_path):
    refused = invoke(*common(data, tmp_path / "run", "learned"))
    assert refused.code == 2
    assert "--allow-untrained" in refused.err

    assert invoke(*common(data, tmp_path / "run", "learned"), "--allow-untrained").code == 0

    assert all(cell["untrained"] for cell in metrics_of(tmp_path / "run")["cells"])
    assert "untrained" in (tmp_path / "run" / "leaderboard.md").read_text()


@pytest.mark.parametrize("workers", [0, 1])
def test_encoder_passes_are_counted_recorded_and_shown(invoke, data, tmp_path, workers: int):
    """The pictures are 48×40: resized to 40 they are themselves, so both detectors read one tensor of each."""
    resized = {"size": 32, "resize": 40, "clip": "mini-image-encoder", "features": 608}
    options = "".join(
        f"  - {{name: univfd, label: {label}, options: {json.dumps(own)}}}\n"
        for label, own in (("cut", {**resized, "resize": None}), ("resized", resized))
    )
    config = tmp_path / "config.yaml"
    config.write_text(f"allow_untrained: true\nbootstrap: 0\ndetectors:\n{options}")

    for _ in range(2):
        done = invoke(
            "run",
            config,
            "--data",
            data,
            "--out",
            tmp_path / "run",
            "--batch-size",
            "8",
            "--workers",
            workers,
        )

        assert done.code == 0, done.err
        record = json.loads((tmp_path / "run" / "run.json").read_text())
        assert record["encoders"] == {"mini-image-encoder": {"calls": 6, "pictures": 36}}
        assert "mini-image-encoder: 36 pictures in 6 calls" in done.err
    scores = read_scores(tmp_path / "run").set_index(["detector", "path"])["logit"]
    assert scores["cut"].nunique() == 36


def test_a_suite_adds_its_conditions_and_is_recorded_and_a_chain_of_other_steps_is_refused(
    invoke, data, tmp_path
):
    own = tmp_path / "own.yaml"
    own.write_text(
        "chains: {office: {steps: 'fit:16,jpeg:50', summary: s, source: s}}\n"
        "suites: {work: {summary: s, conditions: {office: 2, blur:1: 1}}}\n"
    )
    command = [*common(data, tmp_path / "run"), "--suite", "work", "--conditions", str(own)]
    result = invoke(*command)
    assert result.code == 0, result.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["perturbations"] == ["none", "office", "blur:1"]
    assert record["chains"] == {"office": "chain:fit:16,jpeg:50"}
    assert record["suites"] == {"work": {"office": 2, "blur:1": 1}}
    assert set(read_scores(tmp_path / "run")["perturbation"]) == {"none", "office", "blur:1"}
    assert "suite work" in result.out

    own.write_text(own.read_text().replace("jpeg:50", "jpeg:40"))
    result = invoke(*command)
    assert result.code == 2
    assert "its scores were made with office = chain:fit:16,jpeg:50" in result.err
    result = invoke(*common(data, tmp_path / "other"), "--suite", "shareing")
    assert result.code == 2
    assert "did you mean 'sharing'?" in result.err
