"""A session from Python and from the command: what fails fails alone, and nothing is silently another thing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import expit

from benchmarks.loading import open_session
from benchmarks.runfolder.scores import SCHEMA
from registry import UserError, WeightsError
from tests.conftest import Invoked
from tests.pictures import make_class_folders, make_picture

PLUGIN = Path(__file__).with_name("plugin_file.py")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    make_class_folders(tmp_path / "VAR", 6)
    return tmp_path / "VAR"


def test_one_detector_that_cannot_be_imported_fails_alone(
    pictures: Path, tmp_path: Path, invoke: type[Invoked]
) -> None:
    out = tmp_path / "run"
    request = ("--data", pictures, "--plugin", PLUGIN, "--out", out, "--bootstrap", "0")
    done = invoke("run", *request, "--detectors", "broken,bright")
    assert done.code == 1
    assert "'broken' from file" in done.err
    record = json.loads((out / "run.json").read_text())["detectors"]
    assert "no_such_module_anywhere" in record["broken"]["failed"]
    rows = pd.read_parquet(out / "scores")
    assert set(rows["detector"]) == {"bright"}
    assert len(rows) == 12


def test_a_protocol_that_a_detector_does_not_take_is_refused(
    pictures: Path, tmp_path: Path, invoke: type[Invoked]
) -> None:
    request = ("--data", pictures, "--plugin", PLUGIN, "--out", tmp_path / "run", "--bootstrap", "0")
    done = invoke("run", *request, "--detectors", "bright", "--protocol", "uniform")
    assert done.code == 2
    assert "'bright' offers the input protocol original, not uniform" in done.err
    facts = {one["name"]: one for one in json.loads(invoke("list", "--plugin", PLUGIN, "--json").out)}
    assert facts["bright"]["protocols"] == ["original"]
    boaster = open_session(detectors=["boaster", "bright"], plugins=[PLUGIN])
    assert "its constructor takes no `protocol`" in boaster.failed["boaster"]
    assert list(boaster.detectors) == ["bright"]


def test_one_hard_picture_under_many_conditions_does_not_stop_a_detector(
    tmp_path: Path, invoke: type[Invoked]
) -> None:
    for label, folder in enumerate(("0_real", "1_fake")):
        (tmp_path / "VAR" / folder).mkdir(parents=True)
        for number in range(3):
            level = 255 if (label, number) == (0, 1) else 10 + number
            Image.new("RGB", (20, 20), (level,) * 3).save(tmp_path / "VAR" / folder / f"{number}.png")
    conditions = [f"--perturb=jpeg:{quality}" for quality in range(40, 60)]
    out = tmp_path / "run"
    request = ("--data", tmp_path / "VAR", "--plugin", PLUGIN, "--out", out, "--bootstrap", "0")
    done = invoke("run", *request, "--detectors", "hard", *conditions)
    assert done.code == 1
    assert "stopped" not in done.err
    rows = pd.read_parquet(out / "scores")
    assert len(rows) == 6 * 21
    assert set(rows.loc[rows["error"].notna(), "path"]) == {"0_real/1.png"}


@pytest.mark.parametrize(
    "yaml", ["weights: {univfd: no/such.pth}", "detectors: [{name: univfd, weights: no/such.pth}]"]
)
def test_a_weights_file_that_is_not_there_is_the_users_mistake(
    pictures: Path, tmp_path: Path, invoke: type[Invoked], yaml: str
) -> None:
    detectors = "" if yaml.startswith("detectors") else "detectors: [{name: univfd}]\n"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: ['{pictures}']\nout: '{tmp_path / 'run'}'\nallow_untrained: true\n{detectors}{yaml}\n"
    )
    done = invoke("run", config)
    assert done.code == 2
    assert "no/such.pth" in done.err
    assert "univfd" in done.err
    assert "kept" not in done.err


def test_pictures_from_files_memory_and_arrays_score_alike(tmp_path: Path) -> None:
    images = [make_picture(seed, seed % 2) for seed in range(3)]
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for image, file in zip(images, files, strict=True):
        image.save(file)
    session = open_session(detectors=["random_score", "bright"], plugins=[PLUGIN])
    from_files = session.score(files, labels=[0, 1, 0])
    assert list(from_files.columns) == SCHEMA.names
    assert from_files["label"].tolist() == [0, 1, 0] * 2
    assert from_files["path"].tolist() == [file.as_posix() for file in files] * 2
    np.testing.assert_allclose(from_files["score"], expit(from_files["logit"].astype(float)))
    array = np.stack([np.asarray(image) for image in images])
    for given in (images, array, [str(file) for file in files]):
        found = session.score(given)
        np.testing.assert_array_equal(found["logit"], from_files["logit"])
        assert (found["label"] == -1).all()
    palette = session.score([images[0].convert("P"), images[0].convert("L")])
    assert palette["error"].isna().all()


def test_a_picture_that_cannot_be_scored_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    session = open_session(detectors=["bright"], plugins=[PLUGIN])
    frame = session.score([tmp_path / "broken.png", make_picture(0, 0)], perturbations=["none", "jpeg:70"])
    assert frame["error"].notna().tolist() == [True, True, False, False]
    assert np.isnan(frame["logit"][:2]).all()
    assert frame["perturbation"].tolist() == ["none", "jpeg:70"] * 2


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.zeros((2, 8, 8, 3)), r"uint8 \(N, height, width, 3\), got float64"),
        (np.zeros((8, 8, 3), np.uint8), r"got uint8 \(8, 8, 3\)"),
        ("a.png", "give a list"),
    ],
)
def test_other_arrays_are_refused(pictures: object, message: str) -> None:
    session = open_session(detectors=["random_score"])
    with pytest.raises(UserError, match=message):
        session.score(pictures)  # type: ignore[arg-type]


def test_wrong_words_are_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'random_score'"):
        open_session(detectors=["random_scor"])
    with pytest.raises(UserError, match=r"unknown key 'detector'"):
        open_session(detector="univfd")
    with pytest.raises(WeightsError, match="has no weights"):
        open_session(detectors=["linear_probe"])


def test_untrained_networks_come_from_the_sessions_one_seed() -> None:
    session = open_session(
        detectors=[{"name": "linear_probe", "options": {"backbone": "timm/test_vit"}}],
        allow_untrained=True,
        seed=7,
    )
    assert session.records["linear_probe"]["encoders"] == {"timm/test_vit": "untrained, seed 7"}


def test_weights_that_come_another_way_are_recorded_and_hold_for_a_resume(
    pictures: Path, tmp_path: Path, invoke: type[Invoked], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    request = ("run", "--data", pictures, "--plugin", PLUGIN, "--out", out, "--bootstrap", "0")
    for weights, code in (("one", 0), ("one", 0), ("another", 2)):
        monkeypatch.setenv("BORROWED_WEIGHTS", weights)
        done = invoke(*request, "--detectors", "borrowed")
        assert done.code == code, done.err
    assert "borrowed" in done.err
    record = json.loads((out / "run.json").read_text())["detectors"]
    assert record["borrowed"]["identity"] == "one"


def test_a_detector_that_no_longer_loads_does_not_keep_the_others_from_resuming(
    pictures: Path, tmp_path: Path, invoke: type[Invoked], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ("run", "--data", pictures, "--plugin", PLUGIN, "--out", tmp_path / "run", "--bootstrap", "0")
    assert invoke(*request, "--detectors", "flaky").code == 0
    monkeypatch.setenv("BREAK_FLAKY", "1")
    done = invoke(*request, "--detectors", "flaky,bright")
    assert done.code == 1, done.err
    assert "failed: flaky:" in done.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())["detectors"]["flaky"]
    assert record["options"] == {"protocol": "original"}  # what its rows were made with
    assert set(pd.read_parquet(tmp_path / "run" / "scores")["detector"]) == {"flaky", "bright"}


def test_float32_is_no_tensor_float_on_a_gpu() -> None:
    """torch's default rounds the factors of convolutions to 10 bits there, and other codes are nearest."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    open_session(detectors=["random_score"])
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
