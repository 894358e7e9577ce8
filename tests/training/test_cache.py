"""The feature cache: the same training without touching the encoders, and never a stale value."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_detector
from registry import UserError
from registry.encoder import seeded_init
from tests.training.toy import ToyEncoder, write_pictures

COPIES = {"augmentation": {"blur": 0.5, "jpeg": 0.5, "copies": 2}}


@pytest.fixture
def encoder(catalogs):
    """The toy encoder's class, as the plugin file defines it."""
    found = catalogs.encoders.entry("toy_encoder").load()
    found.calls = 0
    return found


def test_gives_the_same_weights_and_never_runs_an_encoder_again(
    settings, catalogs, training_set, validation_set, tmp_path, encoder
):
    for name, cache in (("without", None), ("first", tmp_path / "cache"), ("second", tmp_path / "cache")):
        encoder.calls = 0
        asked = settings(out=tmp_path / name, feature_cache=cache, epochs=3, **COPIES)
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


def entries(folder):
    return {path.name for path in folder.iterdir()}


def test_whatever_decides_the_values_makes_another_entry(settings, catalogs, training_set, tmp_path):
    cache, seen = tmp_path / "cache", set()

    def add(expected: int, sets=(training_set,), **changes):
        asked = settings(
            out=tmp_path / f"run{len(seen)}{expected}{changes}",
            feature_cache=cache,
            epochs=1,
            **{**COPIES, **changes},
        )
        train_detector(asked, catalogs, list(sets))
        new = entries(cache) - seen
        assert len(new) == expected, changes
        seen.update(new)

    add(1)
    add(0, batch_size=4)
    add(1, seed=7)
    add(1, augmentation={"blur": 0.5, "jpeg": 0.5, "copies": 3})
    with seeded_init("other", 0):
        torch.save(ToyEncoder().state_dict(), tmp_path / "encoder.pth")
    add(1, weights={"toy_encoder": tmp_path / "encoder.pth"})
    other = write_pictures(tmp_path / "other", 12)
    changed = other.root / "0_real/000.png"
    add(0, sets=[other])  # equal pictures in another folder
    Image.new("RGB", (34, 30)).save(changed)
    add(1, sets=[other])


def test_a_damaged_entry_is_named_and_computed_again(
    settings, catalogs, training_set, tmp_path, encoder, caplog
):
    cache = tmp_path / "cache"
    train_detector(
        settings(out=tmp_path / "a", feature_cache=cache, epochs=1, **COPIES), catalogs, [training_set]
    )
    (entry,) = cache.iterdir()
    whole = np.load(entry / "pooled.npy")
    assert whole.shape == (48, 8)
    assert json.loads((entry / "meta.json").read_text())["encoder"] == "toy_encoder"
    data = bytearray((entry / "pooled.npy").read_bytes())
    data[-1] ^= 1
    (entry / "pooled.npy").write_bytes(data)
    encoder.calls = 0
    train_detector(
        settings(out=tmp_path / "b", feature_cache=cache, epochs=1, **COPIES), catalogs, [training_set]
    )
    assert "pooled.npy" in caplog.text
    assert encoder.calls == 2
    assert np.array_equal(np.load(entry / "pooled.npy"), whole)


def test_an_interrupted_fill_leaves_no_entry(
    settings, catalogs, training_set, tmp_path, encoder, monkeypatch
):
    forward = encoder.forward

    def fail(self, images, outputs):
        if encoder.calls == 1:
            raise KeyboardInterrupt
        return forward(self, images, outputs)

    monkeypatch.setattr(encoder, "forward", fail)
    cache = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        train_detector(settings(feature_cache=cache, **COPIES), catalogs, [training_set])
    assert entries(cache) == set()


def test_there_is_nothing_to_cache_without_an_encoder(settings, catalogs, training_set, tmp_path):
    asked = settings(detector={"name": "plain"}, feature_cache=tmp_path / "cache", **COPIES)
    with pytest.raises(UserError, match="'plain' reads no frozen encoder"):
        train_detector(asked, catalogs, [training_set])
