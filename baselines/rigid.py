"""RIGID: how far DINOv2's feature of a picture moves when a little noise is added.

"RIGID: A Training-Free and Model-Agnostic Framework for Robust AI-Generated Image Detection", arXiv 2405.20112.
Its code is not published: this follows the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from baselines.warpad import similarities
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Feature, View

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class NoisyView(View):
    """A view plus `strength` times standard normal noise, the same for every picture of one size.

    strength: in units of the normalised values. seed: random seed of the noise.
    """

    strength: float = 0.05
    seed: int = 0

    def tensor(self, picture: Image) -> Tensor:
        values = super().tensor(picture)
        generator = torch.Generator().manual_seed(self.seed)
        return values + self.strength * torch.randn(values.shape, generator=generator)


class RIGID(Detector):
    """Reads DINOv2's usual view: short side 256, bicubic, square of 224 pixels (`original`).

    The logit is the negative similarity, in [−1, 1]: no threshold holds for all pictures, so its order
    counts and its sign does not.

    strength: in units of the normalised values. seed: random seed of the noise. size: side of the square in pixels.
    encoder, encoder_options: a registered encoder with an output `feature`.
    """

    def __init__(
        self,
        protocol: str = "original",
        strength: float = 0.05,
        seed: int = 0,
        size: int = 224,
        encoder: str = "dinov2-vit-l-14",
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        original = View(resize=256, crop=size, interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD)
        view = view_for(protocol, original, crop=size)
        spec = EncoderSpec.of(encoder, encoder_options)
        self.features = {
            "clean": Feature(spec, view, "feature"),
            "noisy": Feature(spec, NoisyView(**asdict(view), strength=strength, seed=seed), "feature"),
        }

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return self.features

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return -similarities(inputs["clean"], inputs["noisy"])
