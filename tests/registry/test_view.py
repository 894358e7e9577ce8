"""A view against the torchvision composition that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as T

from registry import EncoderSpec, Feature, View
from registry.view import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, views_of

SIZES = [(300, 200), (200, 300), (256, 256), (90, 130), (40, 31), (257, 255)]
MODES = {"nearest": 0, "bilinear": 2, "bicubic": 3, "lanczos": 1}


def picture(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", MODES)
def test_resize_crop_and_normalisation_are_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    view = View(resize=96, crop=80, interpolation=interpolation, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    reference = T.Compose(
        [
            T.Resize(96, interpolation=T.InterpolationMode(interpolation)),
            T.CenterCrop(80),
            T.ToTensor(),
            T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    assert torch.equal(view(picture(*size)), reference(picture(*size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", MODES)
def test_an_antialiased_resize_is_pillows(size: tuple[int, int], interpolation: str) -> None:
    view = View(resize=64, interpolation=interpolation)
    width, height = size
    target = (64, int(64 * height / width)) if width <= height else (int(64 * width / height), 64)
    expected = picture(*size).resize(target, MODES[interpolation])
    assert np.array_equal(np.asarray(view.resized(picture(*size))), np.asarray(expected))


@pytest.mark.parametrize("size", [(200, 120), (120, 200), (90, 90)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_without_antialiasing_pixels_are_torchs_interpolate(
    size: tuple[int, int], interpolation: str
) -> None:
    image = picture(*size)
    got = View(resize=60, interpolation=interpolation, antialias=False, scale=255.0)(image)
    values = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    corners = {} if interpolation == "nearest" else {"align_corners": False}
    expected = torch.nn.functional.interpolate(values, got.shape[-2:], mode=interpolation, **corners)[0]
    assert (got - expected.clamp(0, 255)).abs().max() <= 0.5 + 1e-3, "differs by more than rounding to 8 bits"


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_smaller_than_the_crop_is_padded_with_black(size: tuple[int, int]) -> None:
    view = View(crop=256, mean=CLIP_MEAN, std=CLIP_STD)
    reference = T.Compose([T.CenterCrop(256), T.ToTensor(), T.Normalize(CLIP_MEAN, CLIP_STD)])
    got = view(picture(*size))
    assert got.shape == (3, 256, 256)
    assert torch.equal(got, reference(picture(*size)))


def test_the_whole_picture_in_its_own_size() -> None:
    got = View()(picture(70, 50))
    assert got.shape == (3, 50, 70)
    assert got.dtype == torch.float32
    assert torch.equal(got, T.ToTensor()(picture(70, 50)))


@pytest.mark.parametrize("scale", [1.0, 255.0, 2.0])
def test_scale_is_the_value_of_white_and_mean_is_in_its_units(scale: float) -> None:
    white = Image.new("RGB", (8, 8), (255, 255, 255))
    assert torch.equal(View(scale=scale)(white), torch.full((3, 8, 8), scale))
    mean, std = (0.5 * scale,) * 3, (0.25 * scale,) * 3
    assert torch.allclose(View(scale=scale, mean=mean, std=std)(white), torch.full((3, 8, 8), 2.0))


@given(
    width=st.integers(1, 60), height=st.integers(1, 60), resize=st.integers(1, 48), crop=st.integers(1, 48)
)
@settings(max_examples=60, deadline=None)
def test_any_picture_gives_the_declared_size(width: int, height: int, resize: int, crop: int) -> None:
    image = picture(width, height)
    assert min(View(resize=resize).resized(image).size) == resize
    assert View(resize=resize, crop=crop)(image).shape == (3, crop, crop)


def test_equal_views_are_one_key() -> None:
    assert View(resize=256, crop=224) == View(crop=224, resize=256)
    assert len({View(crop=224), View(crop=224), View(crop=256)}) == 2
    feature = Feature(EncoderSpec("clip", (("width", 4),)), View(crop=224), "pooled")
    assert feature in {Feature(EncoderSpec("clip", (("width", 4),)), View(crop=224), "pooled")}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"interpolation": "cubic"}, "interpolation 'cubic' is not one of"),
        ({"mean": IMAGENET_MEAN}, "give both mean and std, or neither"),
        ({"std": IMAGENET_STD}, "give both mean and std, or neither"),
        ({"resize": 0}, "resize must be at least 1 pixel, got 0"),
        ({"crop": -5}, "crop must be at least 1 pixel, got -5"),
        ({"interpolation": "lanczos", "antialias": False}, "lanczos always filters"),
    ],
)
def test_impossible_views_are_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        View(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_stretching_gives_both_sides_one_length(size: tuple[int, int]) -> None:
    got = View(resize=64, stretch=True, interpolation="bicubic").resized(picture(*size))
    assert np.array_equal(np.asarray(got), np.asarray(picture(*size).resize((64, 64), MODES["bicubic"])))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stretch": True}, "stretch needs a resize"),
        ({"resize": 64, "interpolation": "opencv-bilinear"}, "needs stretch=True"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        View(**options)


def test_views_that_differ_after_the_resize_are_alike_before_the_crop() -> None:
    one = View(resize=64, crop=32, mean=CLIP_MEAN, std=CLIP_STD)
    assert one.before_crop == View(resize=64, crop=48, scale=255.0).before_crop
    assert one.before_crop != View(resize=64, stretch=True).before_crop
    assert one.before_crop != View(resize=65).before_crop


SIDES = st.integers(14, 20)


@settings(max_examples=150)
@given(
    width=SIDES,
    height=SIDES,
    resize=st.none() | SIDES,
    crop=st.none() | SIDES,
    interpolation=st.sampled_from([*MODES, "opencv-bilinear"]),
    antialias=st.booleans(),
    stretch=st.booleans(),
)
def test_a_reduced_view_is_the_same_to_the_last_bit(
    width: int,
    height: int,
    resize: int | None,
    crop: int | None,
    interpolation: str,
    antialias: bool,
    stretch: bool,
) -> None:
    try:
        view = View(resize, crop, interpolation, antialias, 2.0, CLIP_MEAN, CLIP_STD, stretch)
    except ValueError:
        return
    image = picture(width, height)
    assert torch.equal(view.reduced(image.size)(image), view(image))
    others = [
        View(crop=crop, scale=2.0, mean=CLIP_MEAN, std=CLIP_STD),
        View(resize=16),
        View(resize=16, crop=15),
    ]
    for one, tensor in views_of(image, [view, *others]).items():
        assert torch.equal(one.values(tensor), one(image))


def test_views_of_a_picture_of_the_right_size_are_one() -> None:
    views = [
        View(resize=256, crop=224, mean=CLIP_MEAN, std=CLIP_STD),
        View(crop=224, mean=CLIP_MEAN, std=CLIP_STD),
        View(resize=256, crop=224, interpolation="bicubic", mean=CLIP_MEAN, std=CLIP_STD),
    ]
    for size, distinct in (((256, 256), 1), ((300, 256), 1), ((257, 256), 1), ((255, 300), 3)):
        tensors = views_of(picture(*size), views).values()
        assert len({tensor.data_ptr() for tensor in tensors}) == distinct


def test_a_view_with_a_step_of_its_own_is_never_reduced() -> None:
    @dataclass(frozen=True)
    class Own(View):
        pass

    assert Own(resize=256).reduced((256, 256)) == Own(resize=256)
