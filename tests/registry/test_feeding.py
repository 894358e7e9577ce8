"""Ways of feeding: what each makes of a view, and that a network is fed by it and run once where nothing differs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from registry import Detector, EncoderPool, Pipeline, UserError, View, load_plugins
from registry.feeding import CannotFeed, Fed, Feed, own_side, usual_feeds
from registry.view import OPENCV_BILINEAR

CUT = View(crop=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
WHOLE = View(scale=255)
SQUASHED = View(resize=224, stretch=True, interpolation=OPENCV_BILINEAR)
BICUBIC = View(resize=384, crop=336, interpolation="bicubic")
NORMALISED = {"mean": CUT.mean, "std": CUT.std}


@pytest.mark.parametrize(
    ("text", "view", "expected"),
    [
        ("resize", CUT, View(resize=224, crop=224, **NORMALISED)),
        ("resize:256", CUT, View(resize=256, crop=224, **NORMALISED)),
        ("resize:100", CUT, View(resize=100, crop=100, **NORMALISED)),
        ("size:448", CUT, View(resize=448, crop=448, **NORMALISED)),
        ("stretch", CUT, View(resize=224, crop=224, stretch=True, **NORMALISED)),
        ("whole", CUT, View(**NORMALISED)),
        ("whole:300+aliased", CUT, View(resize=300, antialias=False, **NORMALISED)),
        ("lanczos", CUT, View(resize=224, crop=224, interpolation="lanczos", **NORMALISED)),
        ("crop:96", WHOLE, View(crop=96, scale=255)),
        ("resize", WHOLE, View(resize=256, scale=255)),
        ("stretch:200+nearest", WHOLE, View(resize=200, stretch=True, interpolation="nearest", scale=255)),
        ("crop", SQUASHED, View(crop=224)),
        ("resize", SQUASHED, View(resize=224, crop=224)),
        ("bicubic", SQUASHED, View(resize=224, stretch=True, interpolation="bicubic")),
        ("aliased", SQUASHED, View(resize=224, stretch=True, antialias=False)),
        ("crop", BICUBIC, View(crop=336, interpolation="bicubic")),
        ("aliased", BICUBIC, View(resize=384, crop=336, interpolation="bicubic", antialias=False)),
        ("opencv-bilinear", BICUBIC, View(resize=384, crop=336, interpolation=OPENCV_BILINEAR, stretch=True)),
    ],
)
def test_what_a_way_makes_of_a_view(text: str, view: View, expected: View) -> None:
    feed = Feed.parse(text)
    assert str(feed) == text
    assert feed.changed(view, own_side({"image": view})) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strech", "did you mean 'stretch'?"),
        ("size", "say how many pixels"),
        ("crop:big", "'big' is no number of pixels"),
        ("resize:0", "no number of pixels"),
        ("nearest:3", "nearest takes no length"),
        ("input", "write input:NAME"),
        ("crop+nearest", "behind + one interpolation of what is resized"),
        ("resize+sharp", "behind + one interpolation"),
    ],
)
def test_what_is_no_way_is_refused_in_a_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match="feed") as refused:
        Feed.parse(text)
    assert message in str(refused.value)


def test_ways_without_a_meaning_for_a_view_say_why() -> None:
    with pytest.raises(CannotFeed, match="no square of its own"):
        Feed("crop").changed(WHOLE, None)
    with pytest.raises(CannotFeed, match="nothing is resized"):
        Feed.parse("whole+nearest").changed(CUT, 224)
    with pytest.raises(CannotFeed, match="lanczos always filters"):
        Feed("aliased").changed(View(resize=64, interpolation="lanczos"), 64)


def test_published_inputs_and_the_shared_protocol_are_among_the_usual_ways() -> None:
    names = [str(feed) for feed in usual_feeds({"image": CUT}, ("own", "other"), uniform=True)]
    assert {"crop", "resize:256", "size:112", "size:448", "uniform", "input:other"} <= set(names)
    assert "input:own" not in names
    assert len(set(names)) == len(names)


class Mean(Detector):
    """Mean of what it reads; counts the pictures that it was run on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": View(crop=32)}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.seen += len(inputs["image"])
        return inputs["image"].mean((1, 2, 3))

    def identity(self) -> str:
        return "mean"


def test_a_network_that_is_fed_otherwise_is_run_once_where_its_tensors_are_the_same() -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for side in (32, 48)]
    mean = Mean()
    fed = {name: Fed(mean, Feed.parse(name)) for name in ("resize", "stretch", "size:16")}
    assert fed["resize"].identity() == "mean"
    pipeline = Pipeline({"own": mean, **fed}, EncoderPool(load_plugins().encoders))
    found = pipeline.score([pipeline.prepare(picture) for picture in pictures])
    # the picture of 32 pixels is three times the same, the one of 48 as it is and resized
    assert mean.seen == 2 + 1 + 2
    assert found["own"][0] == found["resize"][0] == found["stretch"][0] != found["size:16"][0]
    assert found["resize"][1] == found["stretch"][1] != found["own"][1]
    by_hand = torch.tensor(np.asarray(pictures[1].resize((32, 32), Image.Resampling.BILINEAR))) / 255
    assert found["resize"][1] == pytest.approx(by_hand.mean().item(), abs=1e-6)
