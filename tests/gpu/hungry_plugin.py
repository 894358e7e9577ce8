"""A detector and an encoder that need a third of a device's free memory for each picture, for a moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from registry import Detector, Encoder, EncoderSpec, Feature, View, hookimpl
from registry.hookspecs import Register

SHARE = 0.35
VIEW = View(resize=32, crop=32)
_free: dict[torch.device, int] = {}


def _take(pictures: int, device: torch.device) -> None:
    """Allocate and let go. On a CPU, whose memory is the machine's, the error of a GPU is raised by hand."""
    if device.type == "cuda":
        if device not in _free:
            torch.cuda.empty_cache()  # what others left to be used again is free, too
            _free[device] = torch.cuda.mem_get_info(device)[0]
        torch.empty(int(pictures * SHARE * _free[device]), dtype=torch.uint8, device=device)
    elif pictures * SHARE > 1:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Plain(Detector):
    """The mean of a view."""

    inputs: Mapping[str, View | Feature] = {"picture": VIEW}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["picture"].mean((1, 2, 3))


class Hungry(Plain):
    """The same with hunger."""

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        _take(len(inputs["picture"]), inputs["picture"].device)
        return super().forward(inputs)


class Mean(Encoder):
    """The same, as a frozen network with hunger."""

    outputs = ("mean",)

    def load_weights(self, path: Path) -> None:
        raise NotImplementedError

    def forward(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        _take(len(images), images.device)
        return {"mean": images.mean((1, 2, 3))}


class Reading(Detector):
    """What the hungry encoder found."""

    inputs: Mapping[str, View | Feature] = {"mean": Feature(EncoderSpec("hungry-mean"), VIEW, "mean")}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["mean"]


@hookimpl
def register_encoders(register: Register) -> None:
    register("hungry-mean", Mean, summary="mean of a view")


@hookimpl
def register_detectors(register: Register) -> None:
    for name, made in (("plain", Plain), ("hungry", Hungry), ("reading", Reading)):
        register(name, made, summary="mean of a view", needs_weights=False)
