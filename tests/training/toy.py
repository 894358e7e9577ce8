"""A plugin with a small trainable detector, and pictures that it can learn to tell apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from registry import Detector, Encoder, EncoderSpec, Feature, Picture, TestSet, View, hookimpl

VIEW = View(resize=24, crop=16)
TOY_ENCODER = EncoderSpec("toy_encoder")


class ToyEncoder(Encoder):
    """A convolution; `calls` counts forward passes of the process."""

    outputs = ("pooled", "codes")
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)

    def forward(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        ToyEncoder.calls += 1
        maps = self.conv(images)
        return {"pooled": maps.abs().mean((2, 3)), "codes": maps.argmax(1).flatten(1)}

    def load_weights(self, path: Path) -> None:
        self.load_state_dict(torch.load(path, weights_only=True))


class ToyFamily(ToyEncoder):
    """One of several networks under one name, as `timm` has them."""

    def __init__(self, model: str = "one") -> None:
        super().__init__()
        self.model = model


class Toy(Detector):
    """Reads a frozen feature and the picture; has batch statistics, dropout and counted codes."""

    def __init__(self, width: int = 16, dropout: float = 0.2, explode_at: int = -1) -> None:
        super().__init__()
        self.explode_at = explode_at
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width + 8, 1))
        self.register_buffer("counts", torch.zeros(2, 8, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return {
            "picture": VIEW,
            "pooled": Feature(TOY_ENCODER, VIEW, "pooled"),
            "codes": Feature(TOY_ENCODER, VIEW, "codes"),
        }

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        maps = self.stem(inputs["picture"]).mean((2, 3))
        logits = self.head(torch.cat([maps, inputs["pooled"]], 1)).flatten()
        if self.training and int(self.steps) == self.explode_at:
            logits = logits * float("nan")
        return logits

    def after_step(self, inputs: Mapping[str, Tensor], labels: Tensor) -> None:
        new = torch.stack(
            [torch.bincount(inputs["codes"][labels == k].flatten(), minlength=8) for k in (0, 1)]
        )
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(new)
        self.counts += new
        self.steps += 1


class Plain(Toy):
    """Reads the picture and no encoder."""

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return {"picture": VIEW}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        maps = self.stem(inputs["picture"]).mean((2, 3))
        return self.head(torch.cat([maps, maps.new_zeros(len(maps), 8)], 1)).flatten()

    def after_step(self, inputs: Mapping[str, Tensor], labels: Tensor) -> None:
        self.steps += 1


class Probe(Detector):
    """A linear classifier on the feature of one network of the toy family."""

    def __init__(self, model: str = "one") -> None:
        super().__init__()
        self.feature = Feature(EncoderSpec.of("toy_family", {"model": model}), VIEW, "pooled")
        self.fc = nn.Linear(8, 1)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"feature": self.feature}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.fc(inputs["feature"]).flatten()

    def start_from(self, path: Path) -> None:
        self.load_weights(path)


class Frozen(Toy):
    """Has nothing to train."""

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


class OwnSize(Plain):
    """Reads pictures in their own size."""

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return {"picture": View()}


@hookimpl
def register_detectors(register):
    register("toy", Toy)
    register("plain", Plain)
    register("probe", Probe)
    register("frozen", Frozen)
    register("own_size", OwnSize)


@hookimpl
def register_encoders(register):
    register("toy_encoder", ToyEncoder)
    register("toy_family", ToyFamily)
    register("probe_start", ToyEncoder)


def write_pictures(folder: Path, count: int = 12, name: str = "toy", seed: int = 0) -> TestSet:
    """`count` smooth and `count` noisy pictures under 0_real and 1_fake, of unequal sizes."""
    rng = np.random.default_rng(seed)
    pictures = []
    for label, below in enumerate(("0_real", "1_fake")):
        (folder / below).mkdir(parents=True)
        for index in range(count):
            side = (30 + index % 3, 34)
            noise = rng.normal(0, 60 if label else 6, (*side, 3))
            pixels = (rng.uniform(80, 170) + noise).clip(0, 255).astype(np.uint8)
            path = f"{below}/{index:03d}.png"
            Image.fromarray(pixels).save(folder / path)
            pictures.append(Picture(path, label))
    return TestSet(name, folder, "toy", "AR", tuple(pictures))
