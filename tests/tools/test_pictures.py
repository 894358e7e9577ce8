"""Making the pictures: real and generated ones differ in their making only, and files say nothing of the class."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.mini import dataset
from benchmarks.mini.generators import CLASSES
from benchmarks.mini.manifest import read_manifest
from registry.errors import UserError
from tools.mini import pictures
from tools.mini.making import appearance, generated, make, matched
from tools.mini.photos import SOURCES, Crops, flat
from tools.mini.pictures import build_pictures, encode, hash_pixels, make_part, same_size

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


def test_there_is_a_class_for_every_photograph() -> None:
    assert len(SOURCES) == CLASSES


def test_a_build_stores_what_was_made_and_the_manifest_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "COUNTS", dict.fromkeys(dataset.COUNTS, COUNT))
    monkeypatch.setattr(pictures, "load_generator", lambda name: Noise())
    (tmp_path / "train" / "0_real").mkdir(parents=True)
    (tmp_path / "train" / "0_real" / "9999.webp").write_bytes(b"of an earlier build")
    build_pictures(tmp_path, tmp_path / "manifest.json")
    parts = json.loads((tmp_path / "manifest.json").read_text())["parts"]
    assert list(parts) == [*(f"test/{generator}" for generator in dataset.PARADIGM_OF), "train", "val"]
    made = make_part("train", "raster")
    for folder, wanted in (("0_real", made.real), ("1_fake", made.fake)):
        files = sorted((tmp_path / "train" / folder).iterdir())
        assert [file.name for file in files] == [f"{number:04d}.webp" for number in range(COUNT)]
        assert np.array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), wanted)
        assert parts["train"][folder]["pixels"] == hash_pixels(wanted)


def test_padding_makes_files_equally_long_and_changes_no_pixel() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    plain = np.full((64, 64, 3), 7, np.uint8)
    padded = same_size(encode(noisy), encode(plain))
    assert len(padded[0]) == len(padded[1])
    for content, wanted in zip(padded, (noisy, plain), strict=True):
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.mode) == ("WEBP", "RGB")
            assert np.array_equal(np.asarray(image), wanted)
        # another reader of the format
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(decoded[..., ::-1], wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "generator"), [("test", "masked"), ("test", "bitwise"), ("test", "gan"), ("val", "raster")]
)
def test_weights_make_the_pictures_that_ship(split: str, generator: str) -> None:
    """In double precision, and so to the bit on every machine that was tried."""
    made, known = make_part(split, generator), read_manifest()[dataset.part_name(split, generator)]
    assert hash_pixels(made.fake) == known["1_fake"]["pixels"]
    assert hash_pixels(made.real) == known["0_real"]["pixels"]
