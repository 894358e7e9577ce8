"""UnivFD: a linear classifier on a frozen CLIP feature.

"Towards Universal Fake Image Detectors that Generalize Across Generative Models", CVPR 2023,
arXiv 2302.10174.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from registry.detector import Detector
from registry.protocol import published_input, view_for
from registry.view import CLIP_MEAN, CLIP_STD, EncoderSpec, Feature, View
from registry.weights import load_strict, read_state_dict


class UnivFD(Detector):
    """Reads a square of 224 pixels cut from the picture without resizing (`original`).

    clip, clip_options: a registered encoder with an output `feature` of `features` values.
    size: side of the square that it takes, in pixels. resize: short side before that, None to leave it.
    input: whose published figures are to be compared with: its own (`UniversalFakeDetect`), or those of
        `AIGCDetectBenchmark`, which resizes to short side 256 first.
    """

    def __init__(
        self,
        protocol: str = "original",
        clip: str = "clip-vit-l-14/openai",
        clip_options: Mapping[str, Any] | None = None,
        features: int = 768,
        size: int = 224,
        resize: int | None = None,
        input: str = "UniversalFakeDetect",
    ) -> None:
        super().__init__()
        own = View(resize=resize, crop=size, mean=CLIP_MEAN, std=CLIP_STD)
        offered = {"UniversalFakeDetect": own, "AIGCDetectBenchmark": replace(own, resize=256)}
        view = view_for(protocol, published_input("univfd", protocol, input, offered), crop=size)
        self.feature = Feature(EncoderSpec.of(clip, clip_options), view, "feature")
        self.fc = nn.Linear(features, 1)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"feature": self.feature}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.fc(inputs["feature"]).squeeze(1)

    def load_weights(self, path: Path) -> None:
        """Load the published head, whose names are `weight` and `bias`, or a checkpoint of this module."""
        load_strict(self.fc, read_state_dict(path, strip=("module.", "fc.")), path)
