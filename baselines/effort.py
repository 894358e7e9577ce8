"""Effort: CLIP's image tower, of whose attention only the weakest singular direction is trained.

"Orthogonal Subspace Decomposition for Generalizable AI-Generated Image Detection", ICML 2025, arXiv 2411.15633;
parameter names are those of its published checkpoints, which are transformers' names of CLIP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.detector import Detector
from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.view import CLIP_MEAN, CLIP_STD, OPENCV_BILINEAR, View
from registry.weights import load_strict, read_state_dict

if TYPE_CHECKING:
    from PIL.Image import Image

VARIANTS = ("deepfakebench", "universalfakedetect")
_TOWER = "vision_model."


@dataclass(frozen=True)
class TiledView(View):
    """A view before whose crop a picture with a side under `tile` pixels is repeated until neither is."""

    tile: int = 256

    def resized(self, picture: Image) -> Image:
        from PIL import Image as images

        picture = super().resized(picture)
        width, height = picture.size
        if min(width, height) >= self.tile:
            return picture
        tiled = images.new("RGB", (width * -(-self.tile // width), height * -(-self.tile // height)))
        for left in range(0, tiled.width, width):
            for top in range(0, tiled.height, height):
                tiled.paste(picture, (left, top))
        return tiled


class Effort(Detector):
    """Reads the picture squashed to 224×224 pixels (`original`), or a crop of it where `variant` says so.

    variant: which of the two published programs it is. `deepfakebench` squashes by OpenCV and has two
        logits; `universalfakedetect` crops, after repeating small pictures, and has one.
    size: side of the square in pixels. patch_size, width, layers, heads: of the tower.
    """

    def __init__(
        self,
        protocol: str = "original",
        variant: str = "deepfakebench",
        size: int = 224,
        patch_size: int = 14,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise UserError(
                f"effort has no variant {variant!r}{nearest(variant, VARIANTS)} (known: {', '.join(VARIANTS)})"
            )
        squashes = variant == VARIANTS[0]
        original = (
            View(resize=size, stretch=True, interpolation=OPENCV_BILINEAR, mean=CLIP_MEAN, std=CLIP_STD)
            if squashes
            else TiledView(crop=size, mean=CLIP_MEAN, std=CLIP_STD)
        )
        self.view = view_for(protocol, original, crop=size)
        self.backbone = AdaptedCLIP(size, patch_size, width, layers, heads)
        self.head = nn.Linear(width, 2 if squashes else 1)

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = self.head(self.backbone(inputs["image"]))
        return logits.diff(dim=1).squeeze(1) if logits.shape[1] == 2 else logits.squeeze(1)

    def load_weights(self, path: Path) -> None:
        """Load a published checkpoint of this variant, or one of this module.

        The published files of `universalfakedetect` hold all of CLIP; its text tower is left out.
        """
        state = {}
        for name, value in read_state_dict(path).items():
            name = name.replace(f"model.{_TOWER}", "backbone.", 1)
            if name.startswith("fc."):
                name = f"head.{name.removeprefix('fc.')}"
            if not name.startswith("model.") and not name.endswith("position_ids"):
                state[name] = value
        load_strict(self, state, path)

    def start_from(self, path: Path) -> None:
        """Begin from transformers' file of CLIP, whole or image tower alone, and split its attention's weights."""
        state = {
            name.removeprefix(_TOWER): value
            for name, value in read_state_dict(path).items()
            if name.startswith(_TOWER) and not name.endswith("position_ids")
        }
        for name, module in self.backbone.named_modules():
            if isinstance(module, SVDResidualLinear) and f"{name}.weight" in state:
                parts = split_weight(state.pop(f"{name}.weight"), module.S_residual.numel())
                state |= {f"{name}.{part}": value for part, value in parts.items()}
        load_strict(self.backbone, state, path)


class AdaptedCLIP(nn.Module):
    """CLIP's ViT-L/14, from normalised images (N, 3, size, size) to the class token (N, width), not projected."""

    def __init__(
        self, size: int = 224, patch_size: int = 14, width: int = 1024, layers: int = 24, heads: int = 16
    ) -> None:
        super().__init__()
        self.embeddings = _Embeddings(size, patch_size, width)
        self.pre_layrnorm = nn.LayerNorm(width)
        self.encoder = _Blocks(width, layers, heads)
        self.post_layernorm = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.endswith("_residual"))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(images)))
        return self.post_layernorm(tokens[:, 0])


class _Embeddings(nn.Module):
    def __init__(self, size: int, patch_size: int, width: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.patch_embedding = nn.Conv2d(3, width, patch_size, patch_size, bias=False)
        self.position_embedding = nn.Embedding((size // patch_size) ** 2 + 1, width)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embedding(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(images), 1, -1), patches], dim=1)
        return tokens + self.position_embedding.weight


class _Blocks(nn.Module):
    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Block(width, heads) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.layers:
            tokens = block(tokens)
        return tokens


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = _Attention(width, heads)
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.layer_norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.self_attn(self.layer_norm1(tokens))
        hidden = self.mlp["fc1"](self.layer_norm2(tokens))
        return tokens + self.mlp["fc2"](hidden * torch.sigmoid(1.702 * hidden))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = SVDResidualLinear(width)
        self.v_proj = SVDResidualLinear(width)
        self.q_proj = SVDResidualLinear(width)
        self.out_proj = SVDResidualLinear(width)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            project(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class SVDResidualLinear(nn.Module):
    """A square linear layer whose weight is a fixed part plus `rank` trained singular directions."""

    def __init__(self, width: int, rank: int = 1) -> None:
        super().__init__()
        self.weight_main = nn.Parameter(torch.empty(width, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.S_residual = nn.Parameter(torch.zeros(rank))
        self.U_residual = nn.Parameter(torch.empty(width, rank))
        self.V_residual = nn.Parameter(torch.empty(rank, width))
        for matrix in (self.weight_main, self.U_residual, self.V_residual):
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        residual = (self.U_residual * self.S_residual) @ self.V_residual
        return F.linear(x, self.weight_main + residual, self.bias)


def split_weight(weight: Tensor, rank: int) -> dict[str, Tensor]:
    """A weight (out, in) without its `rank` smallest singular values, and these with their vectors."""
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    kept = len(values) - rank
    return {
        "weight_main": (left[:, :kept] * values[:kept]) @ right[:kept],
        "S_residual": values[kept:],
        "U_residual": left[:, kept:],
        "V_residual": right[kept:],
    }
