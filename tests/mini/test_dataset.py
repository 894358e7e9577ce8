"""The data set `mini`: real and generated pictures differ in their making only; parts are whole and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.mini import dataset, first_use, manifest
from registry.errors import UserError
from tools.mini.making import appearance, generated, make, matched
from tools.mini.photos import SOURCES, Crops, flat

COUNT = 2 * len(SOURCES)


class Noise:
    """A generator of noise pictures, every third of which is flat at first."""

    def __init__(self, always_flat: bool = False) -> None:
        self.calls = 0
        self.always_flat = always_flat

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        images = torch.rand(len(classes), 3, 64, 64, generator=generator) * 2 - 1
        if self.always_flat:
            return images * 0
        if not self.calls:
            images[::3] = 0
        self.calls += 1
        return images


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data set folder; few pictures, made by `Noise`, with a manifest that knows them."""
    counts = dict.fromkeys(dataset.COUNTS, COUNT)
    monkeypatch.setattr(dataset, "COUNTS", counts)
    monkeypatch.setattr(first_use, "COUNTS", counts)
    monkeypatch.setattr(first_use, "load_generator", lambda name: Noise())
    monkeypatch.setattr(manifest, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.setattr(dataset, "MANIFEST", tmp_path / "manifest.json")
    parts = [("test", generator) for generator in dataset.PARADIGM_OF]
    parts += [(split, dataset.TRAINED_ON) for split in ("train", "val")]
    manifest.write_manifest(
        {
            dataset.part_name(split, generator): first_use.describe_part(
                first_use.make_part(split, generator)
            )
            for split, generator in parts
        }
    )
    monkeypatch.setenv(dataset.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return dataset.folder()


def test_flat_pictures_are_drawn_again() -> None:
    pictures = generated(Noise(), np.zeros(9, int), seed=0)
    assert not any(flat(picture) for picture in pictures)


def test_a_generator_of_flat_pictures_is_refused() -> None:
    with pytest.raises(UserError, match="stay flat"):
        generated(Noise(always_flat=True), np.zeros(3, int), seed=0)


def test_matching_finds_crops_that_look_like_the_generated_pictures() -> None:
    """Pretend that test crops were generated: from 40 candidates each, matches are nearer than others."""
    crops = Crops("test")
    classes = np.arange(18) % len(SOURCES)
    target = np.stack([crops.draw(int(photo), np.random.default_rng(100 + photo)) for photo in classes])
    found = matched(crops, target, classes, np.random.default_rng(0))
    by_chance = np.stack([crops.draw(int(photo), np.random.default_rng(200 + photo)) for photo in classes])

    def distance(pictures: np.ndarray) -> float:
        return float(np.square(appearance(pictures) - appearance(target)).sum(1).mean())

    assert distance(found) < distance(by_chance) / 3


def test_pairs_show_the_same_photograph() -> None:
    part = make(Noise(), "val", COUNT, seed=0)
    assert part.real.shape == part.fake.shape == (COUNT, 64, 64, 3)
    assert np.bincount(part.classes).tolist() == [2] * len(SOURCES)


def test_first_use_makes_four_test_sets(home: Path) -> None:
    sets = dataset.scan()
    assert [(one.name, one.generator, one.paradigm) for one in sets] == [
        ("mini/raster", "raster", "AR"),
        ("mini/next_scale", "next_scale", "AR"),
        ("mini/gan", "gan", "GAN"),
        ("mini/diffusion", "diffusion", "diffusion"),
    ]
    for test_set in sets:
        assert test_set.root == home
        assert test_set.count(0) == test_set.count(1) == COUNT
    assert not (home / "train").exists()
    (train,) = dataset.scan(split="train")
    assert (train.name, train.generator) == ("mini/train", "raster")


def test_files_differ_in_their_pixels_only(home: Path) -> None:
    facts = set()
    for test_set in dataset.scan():
        for picture in test_set.pictures:
            path = test_set.root / picture.path
            with Image.open(path) as image:
                facts.add((image.format, image.size, image.mode, tuple(image.info), path.stat().st_size))
    assert len(facts) == 1


def test_second_use_makes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dataset.scan()
    monkeypatch.delattr(first_use, "make_parts")
    assert dataset.scan() == first


def test_no_picture_is_in_two_sets(home: Path) -> None:
    sets = [*dataset.scan(), *dataset.scan(split="train"), *dataset.scan(split="val")]
    contents = [(one.root / picture.path).read_bytes() for one in sets for picture in one.pictures]
    assert len(set(contents)) > 0.98 * len(contents)


def test_pictures_that_were_changed_are_refused(home: Path) -> None:
    (picture, *_) = dataset.scan()[0].pictures
    path = home / picture.path
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="were changed since they were made; remove it"):
        dataset.scan()
    path.unlink()
    with pytest.raises(UserError, match="is incomplete"):
        dataset.scan()


def test_interrupted_first_use_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first_use, "seal", stop)
        with pytest.raises(KeyboardInterrupt):
            dataset.scan()
    assert list(home.rglob("*.png")) == []
    assert len(dataset.scan()) == 4


def test_other_pictures_than_the_manifests_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dark(Noise):
        def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
            return super().sample(classes, generator) - 0.1

    monkeypatch.setattr(first_use, "load_generator", lambda name: Dark())
    with pytest.raises(UserError, match="not those of the manifest: mean"):
        dataset.scan()
    assert not (home / "test" / "raster").exists()


def test_last_digits_may_differ_and_are_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Rounded(Noise):
        def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
            images = super().sample(classes, generator)
            images[0, 0, 0, 0] += 1 / 127.5
            return images

    monkeypatch.setattr(first_use, "load_generator", lambda name: Rounded())
    assert len(dataset.scan()) == 4
    assert "mini/test/gan: 1_fake come out slightly different on this machine" in caplog.text


def test_unknown_split_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'train'"):
        dataset.scan(split="trian")
