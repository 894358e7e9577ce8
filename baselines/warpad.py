"""WaRPAD: how far DINOv2's features of a picture's squares move when their high frequencies are weakened.

"Training-free Detection of AI-generated Images via Cropping Robustness", NeurIPS 2025, arXiv 2511.14030.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor

from registry.detector import Detector
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Feature, View

if TYPE_CHECKING:
    from PIL.Image import Image

_BLOCK = 4


@dataclass(frozen=True)
class WeakenedView(View):
    """A view less `strength` times its high frequencies. Both sides are multiples of 4 pixels."""

    strength: float = 0.1

    def tensor(self, picture: Image) -> Tensor:
        values = super().tensor(picture)
        return values - self.strength * high_frequencies(values)


def high_frequencies(values: Tensor) -> Tensor:
    """Values (C, height, width) less the lowest band of a two-level Haar transform: the mean of each 4×4 block."""
    means = F.avg_pool2d(values.unsqueeze(0), _BLOCK)
    return values - F.interpolate(means, scale_factor=_BLOCK, mode="nearest").squeeze(0)


class WaRPAD(Detector):
    """Stretches the picture to 896×896 pixels, 16 squares of DINOv2's 224 (`original`); `uniform` has one of them.

    The logit is the negative mean similarity, in [−1, 1]: no threshold is published, so its order counts
    and its sign does not.

    size: sides of the stretched picture in pixels, a multiple of 4. strength: of the weakening.
    encoder, encoder_options: a registered encoder with an output `tiles`.
    """

    def __init__(
        self,
        protocol: str = "original",
        size: int = 896,
        strength: float = 0.1,
        encoder: str = "dinov2-vit-l-14",
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        original = View(
            resize=size, stretch=True, interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD
        )
        view = view_for(protocol, original)
        spec = EncoderSpec.of(encoder, encoder_options)
        self.features = {
            "clean": Feature(spec, view, "tiles"),
            "weakened": Feature(spec, WeakenedView(**asdict(view), strength=strength), "tiles"),
        }

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return self.features

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return -similarities(inputs["clean"], inputs["weakened"]).mean(dim=1)


def similarities(clean: Tensor, changed: Tensor) -> Tensor:
    """Cosine of the angle between features (..., channels), pair by pair, in single precision."""
    return F.cosine_similarity(clean.float(), changed.float(), dim=-1)
