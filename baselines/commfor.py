"""Community Forensics: a small vision transformer trained on the pictures of thousands of generators.

"Community Forensics: Using Thousands of Generators to Train Fake Image Detectors", CVPR 2025,
arXiv 2411.04125; parameter names are those of its published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from baselines.network import NetworkDetector
from registry.errors import UserError
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View

RESIZE = {384: 440, 224: 256}
"""Side of the square that a published model reads → length of the short side before the crop, in pixels."""


class CommunityForensics(NetworkDetector):
    """Reads a square of `size` pixels after a resize of the short side (`original`).

    Under `uniform` the square that all detectors share is enlarged to `size`.

    size: 384 or 224, each with weights of its own. width, layers, heads: of the transformer.
    """

    def __init__(
        self, protocol: str = "original", size: int = 384, width: int = 384, layers: int = 12, heads: int = 6
    ) -> None:
        if size not in RESIZE:
            raise UserError(f"commfor has no size {size} (known: {', '.join(map(str, RESIZE))})")
        view = View(resize=RESIZE[size], crop=size, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        super().__init__(view_for(protocol, view), CommunityTransformer(size, width, layers, heads))
        self.size = size

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        images = inputs["image"]
        if images.shape[-1] != self.size:
            images = F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True)
        return super().forward({"image": images})


class CommunityTransformer(nn.Module):
    """timm's ViT-S/16 from (N, 3, size, size) to one logit each (N, 1)."""

    def __init__(self, size: int = 384, width: int = 384, layers: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            img_size=size, patch_size=16, embed_dim=width, depth=layers, num_heads=heads, num_classes=1
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.vit(images)
