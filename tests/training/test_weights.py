"""Which weights a training reads: told apart by their contents, wherever they lie, and recorded."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from registry.encoder import seeded_init
from registry.weights import sha256
from tests.training.conftest import write_config
from tests.training.toy import Probe, ToyFamily

PROBE = {"name": "probe", "options": {"model": "one"}}
STILL = {"blur": 0, "jpeg": 0, "random_crop": False, "flip": 0}


def weights_file(path, network=ToyFamily, seed=0):
    with seeded_init("weights", seed):
        torch.save(network().state_dict(), path)
    return str(path)


@pytest.fixture
def train(invoke, tmp_path, training_set, validation_set):
    """`d3qe-bench train` with the probe into a folder below `tmp_path`: what the command did, and the folder."""

    def run(name="out", **changes):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        changes = {"detector": PROBE, "augmentation": STILL, "epochs": 1, **changes}
        return invoke("train", write_config(folder, training_set, validation_set, **changes)), folder / "out"

    return run


def average_precision(out):
    return json.loads((out / "history.json").read_text())[-1]["ap"]


def test_two_files_of_one_network_are_two_entries_of_the_cache(train, tmp_path):
    files = [weights_file(tmp_path / f"{seed}.pth", seed=seed) for seed in (1, 2)]
    cached = []
    for number, file in enumerate(files):
        done, out = train(
            f"cached{number}", features=str(tmp_path / "cache"), weights={"toy_family/one": file}
        )
        assert done.code == 0, done.err
        cached.append(average_precision(out))
    assert len(list((tmp_path / "cache" / "encoders").iterdir())) == 2
    _, without = train("without", weights={"toy_family/one": files[1]})
    assert cached[1] == pytest.approx(average_precision(without), abs=1e-9)
    assert cached[0] != cached[1]


def test_a_resume_tells_files_by_their_contents(train, tmp_path):
    """The encoder's, the start's and the detector's own; the same bytes elsewhere are the same weights."""
    encoder = weights_file(tmp_path / "encoder.pth", seed=1)
    start = weights_file(tmp_path / "start.pth", Probe)
    chosen = {"start": "probe_start", "weights": {"toy_family": encoder, "probe_start": start}}
    assert train(**chosen)[0].code == 0
    moved = [
        str(shutil.copy(path, tmp_path / f"moved_{number}.pth"))
        for number, path in enumerate((encoder, start))
    ]
    again, out = train(
        epochs=2, start="probe_start", weights={"toy_family": moved[0], "probe_start": moved[1]}
    )
    assert again.code == 0, again.err
    assert len(json.loads((out / "history.json").read_text())) == 2
    weights_file(tmp_path / "encoder.pth", seed=2)
    other, _ = train(epochs=3, **chosen)
    assert (other.code, "other weights of toy_family/one: choose another" in other.err) == (2, True), (
        other.err
    )
    weights_file(tmp_path / "encoder.pth", seed=1)
    weights_file(tmp_path / "start.pth", Probe, seed=3)
    other, _ = train(epochs=3, **chosen)
    assert (other.code, "other weights of the start: choose another" in other.err) == (2, True), other.err


def test_a_resume_tells_the_detectors_own_weights_by_their_contents(train, tmp_path):
    own = weights_file(tmp_path / "own.pth", Probe)
    assert train(detector={**PROBE, "weights": own})[0].code == 0
    moved = str(shutil.copy(own, tmp_path / "moved.pth"))
    assert train(epochs=2, detector={**PROBE, "weights": moved})[0].code == 0
    weights_file(tmp_path / "own.pth", Probe, seed=4)
    other, _ = train(epochs=3, detector={**PROBE, "weights": own})
    assert (other.code, "other weights of the detector: choose another" in other.err) == (2, True), other.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("toy_family/oen", "did you mean 'toy_family/one'"),
        ("toy_famly", "did you mean 'toy_family'"),
        ("probe", "'probe' is a detector"),
    ],
)
def test_weights_for_nothing_are_refused(train, tmp_path, name, said):
    done, out = train(weights={name: weights_file(tmp_path / "file.pth")})
    assert (done.code, said in done.err) == (2, True), done.err
    assert not (out / "checkpoints").exists()


def test_the_best_weights_tell_what_they_were_trained_on(train, tmp_path, training_set):
    encoder, start = weights_file(tmp_path / "encoder.pth"), weights_file(tmp_path / "start.pth", Probe)
    _, out = train(start="probe_start", weights={"toy_family/one": encoder, "probe_start": start})
    told = json.loads((out / "best.json").read_text())["training"]
    assert told["sha256"] == sha256(out / "best.safetensors")
    assert told["detector"] == PROBE
    assert told["weights"] == {
        "detector": None, "start": sha256(tmp_path / "start.pth"),
        "encoders": {"toy_family/one": sha256(tmp_path / "encoder.pth")},
    }  # fmt: skip
    (source,) = told["trained_on"]["sets"]
    assert (source["name"], source["paradigm"], source["real"], source["fake"]) == (
        training_set.root.name, "unknown", 12, 12,
    )  # fmt: skip
    assert told["trained_on"] == json.loads((out / "train.json").read_text())["trained_on"]
    assert told["validated_on"]["fake"] == 6
    assert str(tmp_path) not in json.dumps(told)
