"""DINOv2's vision transformer under its published names, and as a frozen encoder.

"DINOv2: Learning Robust Visual Features without Supervision", arXiv 2304.07193.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from registry.encoder import Encoder
from registry.weights import load_strict, read_state_dict

_OFFSET = 0.1
"""Added to the grid before the ratio of its sides to the trained one is taken, as in the published code."""


class DINOv2(VisionTransformer):
    """ViT-L/14 by default; pictures of any size, of which whole patches are read.

    `mask_token` is in the published files and used in pretraining only.
    """

    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(
        self,
        image_size: int = 518,
        patch_size: int = 14,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
    ) -> None:
        super().__init__(
            img_size=image_size,
            patch_size=patch_size,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            init_values=1e-5,
            num_classes=0,
        )
        self.mask_token = nn.Parameter(torch.zeros(1, width))

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """The class token (N, width) after the last layer norm, of normalised images (N, 3, height, width)."""
        patches = self.patch_embed.proj(images)
        height, width = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), tokens], dim=1)
        return self.norm(self.blocks(tokens + self.positions(height, width)))[:, 0]

    def positions(self, height: int, width: int) -> Tensor:
        """The position embedding (1, 1 + height · width, channels) of a grid of patches.

        Where the grid is not the trained one, bicubic without a low-pass filter, by a factor that the
        published code makes a little larger than the ratio of the sides.
        """
        side = round((self.pos_embed.shape[1] - 1) ** 0.5)
        if (height, width) == (side, side):
            return self.pos_embed
        grid = self.pos_embed[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
        factors = ((height + _OFFSET) / side, (width + _OFFSET) / side)
        resized = F.interpolate(grid, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


class DINOv2Encoder(Encoder):
    """DINOv2, frozen.

    Outputs, for normalised pictures (N, 3, height, width):
        feature: (N, width), the class token of the whole picture.
        tiles: (N, tiles, width), the class tokens of its squares of `tile` pixels side by side, row by row,
            each seen alone; what is left over at the right and below is not read.
    """

    outputs = ("feature", "tiles")
    converts = ("network.blocks",)

    def __init__(
        self,
        image_size: int = 518,
        patch_size: int = 14,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        tile: int = 224,
    ) -> None:
        super().__init__()
        self.tile = tile
        self.network = DINOv2(image_size, patch_size, width, layers, heads)

    def forward(self, images: Tensor, outputs: Collection[str] = ("feature",)) -> dict[str, Tensor]:
        found = {}
        if "feature" in outputs:
            found["feature"] = self.network(images)
        if "tiles" in outputs:
            tiles = squares(images, self.tile)
            found["tiles"] = self.network(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2])
        return found

    def load_weights(self, path: Path) -> None:
        """Load DINOv2's own file, or timm's of the same network, which lacks the token used in pretraining."""
        load_strict(self.network, read_state_dict(path), path, optional=("mask_token",))


def squares(images: Tensor, side: int) -> Tensor:
    """Images (N, 3, height, width) as squares side by side, row by row: (N, squares, 3, side, side)."""
    return images.unfold(2, side, side).unfold(3, side, side).flatten(2, 3).transpose(1, 2)
