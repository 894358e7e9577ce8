"""The feature store through `run` and `predict`: the same bits without the encoders' passes, and never a wrong row."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest

from benchmarks.loading import open_session
from benchmarks.loading.feature_store import FeatureStore, Shelf
from benchmarks.runfolder.scores import read_scores
from tests.pictures import make_test_sets

PROBES = "detectors:\n" + "".join(
    f"  - {{name: univfd, label: {label}, options: {{size: 32, resize: {resize}, clip: mini-image-encoder, features: 608}}}}\n"
    for label, resize in (("one", 40), ("other", 36))
)


@pytest.fixture
def data(tmp_path):
    return make_test_sets(tmp_path / "data")


@pytest.fixture
def run(invoke, data, tmp_path):
    """`d3qe-bench run` of two probes into a folder: its rows, and what run.json says of the encoder's passes."""
    config = tmp_path / "probes.yaml"
    config.write_text(f"allow_untrained: true\nbootstrap: 0\nbatch_size: 8\n{PROBES}")

    def score(name, *more):
        done = invoke("run", config, "--data", data, "--out", tmp_path / name, *more)
        assert done.code == 0, done.err
        rows = read_scores(tmp_path / name).sort_values(["detector", "perturbation", "dataset", "path"])
        passes = json.loads((tmp_path / name / "run.json").read_text())["encoders"]["mini-image-encoder"]
        return rows.reset_index(drop=True), passes, done.err

    return score


def test_scores_are_the_same_bits_with_the_store_without_it_and_from_it(run, tmp_path):
    store = ("--features", tmp_path / "store")
    plain, _, _ = run("plain")
    filled, passes, _ = run("filled", *store)
    assert (passes["pictures"], passes.get("recalled", 0)) == (72, 0)
    recalled, passes, said = run("recalled", *store)
    assert (passes["pictures"], passes["recalled"]) == (0, 72)
    assert passes["saved_seconds"] > 0
    assert "0 pictures in 0 calls, 72 from the feature store, which saved" in said
    for other in (filled, recalled):
        pd.testing.assert_frame_equal(plain, other, check_exact=True)


def test_whatever_decides_what_an_encoder_gives_is_another_row(data, tmp_path):
    pictures = sorted(data.glob("AR/VAR/*/*.png"))
    options = {"size": 32, "resize": 40, "clip": "mini-image-encoder", "features": 608}

    def passes(features=tmp_path / "store", options=options, condition="none", **settings):
        detector = {"name": "univfd", "options": options}
        session = open_session(detectors=[detector], allow_untrained=True, features=features, **settings)
        scores = session.score(pictures, perturbations=[condition])
        counted = session.encoders.passes["mini-image-encoder"]
        return (counted.pictures, counted.recalled), scores["logit"].to_numpy()

    assert passes()[0] == (12, 0)
    assert passes()[0] == (0, 12)
    for changed in (
        {"condition": "jpeg:50"},
        {"precision": "bfloat16"},
        {"options": options | {"resize": 36}},
    ):
        counted, found = passes(**changed)
        assert counted == (12, 0), changed
        assert np.array_equal(found, passes(features=None, **changed)[1]), changed
        assert passes(**changed)[0] == (0, 12), changed


def test_predict_takes_what_a_run_left(run, invoke, data, tmp_path):
    store = tmp_path / "store"
    rows, _, _ = run("run", "--features", store)
    picture = data / "AR/VAR/1_fake"
    options = {"size": 32, "resize": 40, "clip": "mini-image-encoder", "features": 608}
    asked = [f"--option=one.{key}={value}" for key, value in options.items()]
    done = invoke(
        "predict", picture, "--detectors", "one=univfd", *asked, "--allow-untrained", "--features", store, "--format", "json"
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "mini-image-encoder: 0 pictures in 0 calls, 6 from the feature store" in done.err
    scored = rows[(rows["detector"] == "one") & (rows["dataset"] == "AR/VAR") & (rows["label"] == 1)]
    # batches of another size: the head's last bits
    assert sorted(row["logit"] for row in json.loads(done.out)) == pytest.approx(sorted(scored["logit"]))


def test_a_damaged_file_is_named_and_its_rows_computed_again(run, tmp_path, caplog):
    store = tmp_path / "store"
    plain, _, _ = run("first", "--features", store)
    (file,) = store.rglob("*.safetensors")
    whole = bytearray(file.read_bytes())
    whole[-1000] ^= 4
    file.write_bytes(whole)
    again, passes, _ = run("again", "--features", store)
    assert str(file) in caplog.text
    assert passes["pictures"] > 0
    pd.testing.assert_frame_equal(plain, again, check_exact=True)


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-5], lambda whole: b"something else", lambda whole: b""]
)
def test_what_is_no_whole_file_is_named_and_removed(tmp_path, caplog, damage):
    shelf = Shelf(tmp_path, b"")
    shelf.add(bytes(32), np.arange(3.0), 0.1)
    shelf.flush()
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert Shelf(tmp_path, b"").find(bytes(32)) is None
    assert str(file) in caplog.text
    assert not file.exists()


def test_a_file_of_another_place_gives_nothing(tmp_path):
    """Even one with the right keys: check sums know encoder and output."""
    key, value = bytes(32), np.arange(3.0, dtype=np.float32)
    one = Shelf(tmp_path / "one", b"one")
    one.add(key, value, 0.5)
    one.flush()
    (file,) = (tmp_path / "one").iterdir()
    assert np.array_equal(Shelf(tmp_path / "one", b"one").find(key).value, value)
    os.renames(file, tmp_path / "other" / file.name)
    assert Shelf(tmp_path / "other", b"other").find(key) is None
    assert list((tmp_path / "other").iterdir()) == []


def test_the_least_recently_used_files_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.loading.feature_store.SEGMENT_BYTES", 4000)
    keys = [bytes([number]) * 32 for number in range(3)]
    store = FeatureStore(tmp_path, 1.0)
    shelf = Shelf(tmp_path / "shelf", b"")
    for number, key in enumerate(keys):
        shelf.add(key, np.full(1000, number, np.float32), 0.1)
    for number, file in enumerate(sorted(tmp_path.rglob("*.safetensors"), key=os.path.getmtime)):
        os.utime(file, (number + 1, number + 1))
    assert Shelf(tmp_path / "shelf", b"").find(keys[0]), "used just now"
    store.most_bytes = 10_000
    store.flush()
    left = Shelf(tmp_path / "shelf", b"")
    assert [left.find(key) is not None for key in keys] == [True, False, True]


def test_what_was_just_written_stays_though_the_clock_went_back(run, tmp_path):
    store = tmp_path / "store"
    run("before", "--features", store, "--precision", "bfloat16")
    (old,) = store.rglob("*.safetensors")
    os.utime(old, (2**32, 2**32))  # in 2106
    run("after", "--features", store, "--features-size", str(1.2 * old.stat().st_size / 1e9))
    (new,) = store.rglob("*.safetensors")
    assert new != old
    _, passes, _ = run("again", "--features", store)
    assert (passes["pictures"], passes["recalled"]) == (0, 72)


def test_a_folder_that_cannot_be_written_to_is_refused_in_one_line(invoke, tmp_path, data):
    (tmp_path / "file").write_text("")
    done = invoke("predict", data, "--detectors", "random_score", "--features", tmp_path / "file")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "cannot write to the feature store" in done.err


def test_pictures_of_many_sizes_stand_beside_each_other(tmp_path):
    shelf = Shelf(tmp_path, b"")
    values = {bytes([n]) * 32: np.full((n, 2), n, np.int64) for n in range(1, 5)}
    for key, value in values.items():
        shelf.add(key, value, 0.1)
    shelf.flush()
    assert len(list(tmp_path.iterdir())) == 1
    again = Shelf(tmp_path, b"")
    assert all(np.array_equal(again.find(key).value, value) for key, value in values.items())


def test_sessions_without_a_folder_keep_nothing():
    assert open_session(detectors=["random_score"]).encoders.store is None
