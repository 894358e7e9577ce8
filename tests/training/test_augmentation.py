"""Training-time changes: as drawn, the same for all views, repeatable."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torchvision.transforms import functional as F

from benchmarks.training.augmentation import Draw, augmented_views, degraded, draw
from benchmarks.training.settings import (
    NO_AUGMENTATION,
    AugmentationSettings,
    TrainSettings,
    validation_augmentation,
)
from registry import View

TOKENIZER, CLIP = View(resize=256, crop=256), View(resize=256, crop=224, mean=(0.5,) * 3, std=(0.25,) * 3)


def picture(width: int = 300, height: int = 270) -> Image.Image:
    rng = np.random.default_rng(width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_without_augmentation_it_is_the_view_itself():
    views = [TOKENIZER, CLIP, View(), View(crop=400), View(resize=100)]
    for size in ((300, 270), (270, 300), (90, 256)):
        chosen = draw(NO_AUGMENTATION, np.random.default_rng(0))
        assert chosen == Draw()
        got = augmented_views(picture(*size), views, chosen)
        for view in views:
            assert torch.equal(got[view], view(picture(*size))), (size, view)


def test_views_of_one_resize_see_the_same_window():
    """The released code crops 256 at random and cuts CLIP's 224 from its centre."""
    got = augmented_views(picture(), [TOKENIZER, CLIP], Draw(across=0.0, down=1.0, flip=True))
    resized = F.resize(picture(), [256])
    window = F.hflip(F.crop(resized, resized.height - 256, 0, 256, 256))
    assert torch.equal(got[TOKENIZER], F.to_tensor(window))
    assert torch.equal(got[CLIP], got[TOKENIZER][:, 16:240, 16:240] / 0.25 - 2)


def test_blur_is_scipys_per_channel():
    pixels = np.asarray(picture()).copy()
    for channel in range(3):
        gaussian_filter(pixels[:, :, channel], output=pixels[:, :, channel], sigma=1.7)
    assert np.array_equal(np.asarray(degraded(picture(), Draw(sigma=1.7))), pixels)


@pytest.mark.parametrize("codec", ["opencv", "pillow"])
def test_jpeg_loses_what_its_quality_loses(codec):
    stream = io.BytesIO()
    picture().save(stream, "JPEG", quality=50)
    expected = np.asarray(Image.open(stream).convert("RGB")).astype(int)
    got = np.asarray(degraded(picture(), Draw(quality=50, codec=codec))).astype(int)
    assert np.abs(got - np.asarray(picture())).mean() > 10
    # two libjpegs: the same tables, another rounding
    assert np.abs(got - expected).mean() < (0 if codec == "pillow" else 2) + 1e-9


def test_frequencies_and_ranges_of_the_published_recipe():
    settings = AugmentationSettings()
    draws = [draw(settings, np.random.default_rng((42, 0, index))) for index in range(4000)]
    blurred = [d.sigma for d in draws if d.sigma is not None]
    compressed = [d for d in draws if d.quality is not None]
    assert 0.08 < len(blurred) / 4000 < 0.12
    assert 0.08 < len(compressed) / 4000 < 0.12
    assert 0 <= min(blurred) < 0.1
    assert 2.9 < max(blurred) <= 3
    assert {min(d.quality for d in compressed), max(d.quality for d in compressed)} == {30, 100}
    assert {d.codec for d in compressed} == {"opencv", "pillow"}
    assert 0.47 < np.mean([d.flip for d in draws]) < 0.53
    assert draws[7] == draw(settings, np.random.default_rng((42, 0, 7)))


def test_released_validation_keeps_blur_and_jpeg_at_the_middle_of_their_ranges():
    base = {"detector": {"name": "x"}, "data": {"sets": ["x"]}}
    assert validation_augmentation(TrainSettings(**base)) == NO_AUGMENTATION
    released = validation_augmentation(TrainSettings(**base, validation_augmentation="released"))
    draws = [draw(released, np.random.default_rng(index)) for index in range(500)]
    assert {d.sigma for d in draws} == {None, 1.5}
    assert {(d.quality, d.codec) for d in draws} == {(None, None), (65, "pillow")}
    assert {(d.across, d.down, d.flip) for d in draws} == {(0.5, 0.5, False)}
    assert released.fixed


def test_small_pictures_are_padded_with_black():
    got = augmented_views(picture(20, 30), [View(crop=40)], Draw(across=0.9, down=0.1))[View(crop=40)]
    assert torch.equal(got[:, 5:35, 10:30], F.to_tensor(picture(20, 30)))
    assert float(got.sum()) == pytest.approx(float(F.to_tensor(picture(20, 30)).sum()))
