"""Features from the store: the same training without touching the encoders, and never a stale value."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_detector
from registry import UserError
from registry.encoder import seeded_init
from tests.training.toy import ToyEncoder, write_pictures

COPIES = {"augmentation": {"blur": 0.5, "jpeg": 0.5, "copies": 2}}


@pytest.fixture
def encoder(catalogs, monkeypatch):
    """The toy encoder's class, as the plugin file defines it; `pictures` counts what its forward passes see."""
    found = catalogs.encoders.entry("toy_encoder").load()
    forward = found.forward
    found.pictures = found.calls = 0

    def counted(self, images, outputs):
        found.pictures += len(images)
        return forward(self, images, outputs)

    monkeypatch.setattr(found, "forward", counted)
    return found


def test_gives_the_same_weights_and_never_runs_an_encoder_again(
    settings, catalogs, training_set, validation_set, tmp_path, encoder
):
    for name, store in (("without", None), ("first", tmp_path / "store"), ("second", tmp_path / "store")):
        encoder.calls = 0
        asked = settings(out=tmp_path / name, features=store, epochs=3, **COPIES)
        train_detector(asked, catalogs, [training_set], [validation_set])
        if name == "first":
            assert encoder.calls == 3  # 48 versions in 2 batches of 32 and 12 held-out pictures in one
        if name == "second":
            assert encoder.calls == 0
    states = [newest(tmp_path / name) for name in ("without", "first", "second")]
    for other in states[1:]:
        for key, value in states[0]["model"].items():
            assert torch.allclose(value.double(), other["model"][key].double(), atol=1e-5), key
    assert torch.equal(states[1]["model"]["head.1.weight"], states[2]["model"]["head.1.weight"])
    assert torch.equal(states[0]["model"]["counts"], states[1]["model"]["counts"])


def test_whatever_decides_a_value_has_it_computed_anew(settings, catalogs, training_set, tmp_path, encoder):
    def computed(sets=(training_set,), **changes) -> int:
        encoder.pictures = 0
        asked = settings(
            out=tmp_path / f"{changes}", features=tmp_path / "store", **{"epochs": 1, **COPIES, **changes}
        )
        train_detector(asked, catalogs, list(sets))
        return encoder.pictures

    assert computed() == 48
    assert computed(batch_size=4) == 0
    assert computed(seed=7) == 48
    assert computed(augmentation={"blur": 0.5, "jpeg": 0.5, "copies": 3}) == 24  # two of the three are there
    with seeded_init("other", 0):
        torch.save(ToyEncoder().state_dict(), tmp_path / "encoder.pth")
    assert computed(weights={"toy_encoder": tmp_path / "encoder.pth"}) == 48
    other = write_pictures(tmp_path / "other", 12)
    assert computed([other], epochs=2) == 0  # equal pictures in another folder
    Image.new("RGB", (34, 30), "red").save(other.root / "0_real/000.png")
    assert 1 <= computed([other], epochs=3) <= 2  # the versions of one picture, which may come to the same


def test_a_damaged_file_is_named_and_its_rows_computed_again(
    settings, catalogs, training_set, tmp_path, encoder, caplog
):
    first, again = (
        settings(out=tmp_path / name, features=tmp_path / "store", epochs=1, **COPIES) for name in "ab"
    )
    train_detector(first, catalogs, [training_set])
    (file,) = (tmp_path / "store" / "encoders").glob("*/pooled/*.safetensors")
    whole = load_file(file)["values"]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    encoder.calls = 0
    train_detector(again, catalogs, [training_set])
    assert str(file) in caplog.text
    assert encoder.calls == 2
    (file,) = (tmp_path / "store" / "encoders").glob("*/pooled/*.safetensors")
    assert (load_file(file)["values"] == whole).all()
    states = [newest(one.out)["model"]["head.1.weight"] for one in (first, again)]
    assert torch.equal(*states)


def test_an_interrupted_fill_keeps_what_it_has(
    settings, catalogs, training_set, tmp_path, encoder, monkeypatch
):
    forward = encoder.forward

    def fail(self, images, outputs):
        if encoder.calls == 1:
            raise KeyboardInterrupt
        return forward(self, images, outputs)

    asked = settings(features=tmp_path / "store", **COPIES)
    with monkeypatch.context() as patched:
        patched.setattr(encoder, "forward", fail)
        with pytest.raises(KeyboardInterrupt):
            train_detector(asked, catalogs, [training_set])
    encoder.pictures = 0
    train_detector(asked, catalogs, [training_set])
    assert encoder.pictures == 48 - 32


def test_there_is_nothing_to_keep_without_an_encoder(settings, catalogs, training_set, tmp_path):
    asked = settings(detector={"name": "plain"}, features=tmp_path / "store", **COPIES)
    with pytest.raises(UserError, match="'plain' reads no frozen encoder"):
        train_detector(asked, catalogs, [training_set])
