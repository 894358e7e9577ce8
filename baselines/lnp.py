"""LNP: ResNet-50 on a picture's noise pattern.

"Detecting Generated Images by Real Images", ECCV 2022; as AIGCDetectBenchmark runs it, which is what
the published classifier was trained for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from baselines.imagenet import load_imagenet
from baselines.network import RESNET50, binary_resnet50
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Feature, View
from registry.weights import load_strict, read_state_dict

_LEVELS = 255


class LNP(Detector):
    """Takes the noise pattern of the whole picture, then resizes and crops it (`original`).

    denoiser, denoiser_options: a registered encoder with an output `pattern`.
    """

    def __init__(
        self,
        protocol: str = "original",
        blocks: Sequence[int] = RESNET50,
        denoiser: str = "lnp-denoiser/sidd",
        denoiser_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        # under `uniform` the picture itself has the common size, so its pattern needs no more of it
        normalise = View(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.view = (
            View(resize=256, crop=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
            if protocol == "original"
            else normalise
        )
        spec = EncoderSpec.of(denoiser, denoiser_options)
        self.pattern = Feature(spec, view_for(protocol, View()), "pattern")
        self.network = binary_resnet50(blocks)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"pattern": self.pattern}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        patterns = pattern_levels(inputs["pattern"])
        images = torch.stack([self.view(to_pil_image(levels)) for levels in patterns.cpu()])
        return self.network(images.to(patterns.device)).squeeze(1)

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.network, path)

    def load_weights(self, path: Path) -> None:
        """Load the published classifier (`model`), or a checkpoint of this module."""
        load_strict(self.network, read_state_dict(path, strip=("module.", "network.")), path)


def pattern_levels(pattern: Tensor) -> Tensor:
    """The published code's 8-bit picture of a noise pattern (N, 3, height, width), uint8.

    It cuts to [0, 1], rounds to 8 bits, multiplies these by 255 once more, which overflows (level n
    becomes 256 − n, 0 stays), and reverses the channels by handing RGB to OpenCV.
    """
    levels = (pattern.float().clamp(0, 1) * _LEVELS).round().to(torch.uint8)
    return (levels * _LEVELS).flip(1)
