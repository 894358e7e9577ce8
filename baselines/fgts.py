"""FGTS: a linear classifier on the mean of the ten DINOv3 tokens that tell real and generated pictures apart best.

"Rethinking Cross-Generator Image Forgery Detection through DINOv3", arXiv 2511.22471; parameter names are those of
its published heads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from registry.detector import Detector
from registry.encoder import Encoder
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Feature, View
from registry.weights import load_strict, read_checkpoint, read_state_dict

_PREFIX = 5
"""Tokens before the patches': the class token and four registers."""


class FGTS(Detector):
    """Reads the picture stretched to 224×224 pixels (`original`).

    The authors rank tokens by Fisher's ratio on their training pictures; which were chosen stands in the published
    file and is kept as it is in a training here.

    tokens: how many are chosen. encoder, encoder_options: a registered encoder with an output `tokens` of
    `features` values each. size: side of the square in pixels.
    """

    token_indices: Tensor

    def __init__(
        self,
        protocol: str = "original",
        tokens: int = 10,
        encoder: str = "dinov3-vit-7b",
        encoder_options: Mapping[str, Any] | None = None,
        features: int = 4096,
        size: int = 224,
    ) -> None:
        super().__init__()
        original = View(resize=size, stretch=True, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        view = view_for(protocol, original, crop=size)
        self.feature = Feature(EncoderSpec.of(encoder, encoder_options), view, "tokens")
        self.register_buffer("token_indices", torch.arange(_PREFIX, _PREFIX + tokens))
        self.fc = nn.Linear(features, 2)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"tokens": self.feature}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        real, generated = self.fc(inputs["tokens"][:, self.token_indices].mean(dim=1)).unbind(1)
        return generated - real

    def load_weights(self, path: Path) -> None:
        """Load a published head with the tokens chosen for it, or a checkpoint of this module."""
        state = read_state_dict(path, keys=("model_state_dict", "model", "state_dict"))
        found = read_checkpoint(path)
        if isinstance(found.get("token_indices"), list):
            state["token_indices"] = torch.tensor(found["token_indices"])
        load_strict(self, state, path)


class DINOv3Encoder(Encoder):
    """DINOv3, "DINOv3", arXiv 2508.10104, frozen, as timm builds it.

    Output `tokens`, for normalised pictures (N, 3, size, size): (N, 1 + 4 + (size / 16)², channels), all tokens after
    the last layer norm, class token and registers first.

    model: timm's name. width, layers, heads: for another size than that model's.
    """

    outputs = ("tokens",)

    def __init__(
        self,
        model: str = "vit_7b_patch16_dinov3",
        size: int = 224,
        width: int | None = None,
        layers: int | None = None,
        heads: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {"embed_dim": width, "depth": layers, "num_heads": heads}
        other: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
        self.network: Any = timm.create_model(model, num_classes=0, img_size=size, **other)

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        return {"tokens": self.network.forward_features(images)}

    def load_weights(self, path: Path) -> None:
        """Load timm's file of the model."""
        load_strict(self.network, read_state_dict(path), path)
