"""DDA: DINOv2 with low-rank updates, trained on pictures aligned with their reconstructions.

"Dual Data Alignment Makes AI-Generated Image Detector Easier Generalizable", NeurIPS 2025, arXiv 2505.14359;
parameter names are those of its published checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.dinov2 import DINOv2
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import CLIP_MEAN, CLIP_STD, View
from registry.weights import load_strict, read_state_dict

ADAPTED = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
"""The linear layers of each block that are updated."""


class DDA(Detector):
    """Reads a square of 336 pixels cut from the picture without resizing (`original`).

    rank, alpha: of the updates, which are scaled by alpha / rank.
    size: side of the square in pixels. image_size, width, layers, heads: of the transformer.
    """

    def __init__(
        self,
        protocol: str = "original",
        rank: int = 8,
        alpha: float = 1.0,
        size: int = 336,
        image_size: int = 518,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
    ) -> None:
        super().__init__()
        self.view = view_for(protocol, View(crop=size, mean=CLIP_MEAN, std=CLIP_STD))
        transformer = DINOv2(image_size, width=width, layers=layers, heads=heads).requires_grad_(False)
        for block in transformer.blocks:
            for name in ADAPTED:
                layer = block.get_submodule(name)
                assert isinstance(layer, nn.Linear)
                block.set_submodule(name, LoRALinear(layer, rank, alpha))
        self.base_model = _Classifier(transformer)

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.base_model(inputs["image"]).squeeze(1)

    def start_from(self, path: Path) -> None:
        """Begin from DINOv2's own file: all of the transformer but the updates, which start at 0."""
        transformer = self.base_model.model
        own = [name for name in transformer.state_dict() if ".lora." not in name]
        plain = {name.replace(".original_layer", ""): name for name in own}
        state = read_state_dict(path)
        renamed = {plain.get(name, name): value for name, value in state.items()}
        updates = [name for name in transformer.state_dict() if ".lora." in name]
        load_strict(transformer, renamed, path, optional=(*updates, "mask_token"))


class _Classifier(nn.Module):
    def __init__(self, transformer: DINOv2) -> None:
        super().__init__()
        self.model = transformer
        self.fc = nn.Linear(transformer.embed_dim, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.model(images))


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trained update of low rank ("LoRA", arXiv 2106.09685)."""

    def __init__(self, original: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.original_layer = original
        down, up = torch.empty(rank, original.in_features), torch.zeros(original.out_features, rank)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        self.lora = nn.ParameterDict({"lora_A": down, "lora_B": up})
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.original_layer(x) + self.scale * F.linear(
            F.linear(x, self.lora["lora_A"]), self.lora["lora_B"]
        )
