"""B-Free: DINOv2 with registers, fine-tuned whole, on five windows of the picture's grid of patches.

"A Bias-Free Training Paradigm for More General AI-generated Image Detection", CVPR 2025, arXiv 2412.17671;
parameter names are those of its published checkpoint.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from baselines.network import NetworkDetector
from registry.errors import WeightsError
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View

_CHECKPOINT = "model_epoch_best.pth"


class BFree(NetworkDetector):
    """Reads the whole picture at its own size (`original`).

    size: side of a window in pixels. width, layers, heads: of the transformer.
    """

    def __init__(
        self, protocol: str = "original", size: int = 504, width: int = 768, layers: int = 12, heads: int = 12
    ) -> None:
        view = view_for(protocol, View(mean=IMAGENET_MEAN, std=IMAGENET_STD))
        super().__init__(view, WindowedTransformer(size, width, layers, heads))

    def published_state(self, path: Path) -> dict[str, Tensor]:
        """The network's tensors in a checkpoint, or in the published ZIP archive with the checkpoint in it."""
        if not zipfile.is_zipfile(path):
            return super().published_state(path)
        with zipfile.ZipFile(path) as archive, TemporaryDirectory() as folder:
            members = [name for name in archive.namelist() if name.endswith(f"/{_CHECKPOINT}")]
            if not members:  # a torch file is a ZIP archive too
                return super().published_state(path)
            try:
                return super().published_state(Path(archive.extract(members[0], folder)))
            except zipfile.BadZipFile as error:
                raise WeightsError(f"{path} is damaged: {error}") from error


class WindowedTransformer(VisionTransformer):
    """timm's ViT-B/14 with four registers, from normalised images of any size to one logit each (N, 1)."""

    cls_token: nn.Parameter
    reg_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(self, size: int = 504, width: int = 768, layers: int = 12, heads: int = 12) -> None:
        super().__init__(
            img_size=size,
            patch_size=14,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            init_values=1e-5,
            reg_tokens=4,
            no_embed_class=True,
            num_classes=1,
        )

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        logits: Tensor = self.head(self.window_features(images))
        return logits.unflatten(0, (-1, len(images))).mean(dim=0)

    def window_features(self, images: Tensor) -> Tensor:
        """The class token of every window, (5 · N, channels): all pictures' centres, then all top-left corners, …"""
        patches = windows(self.patch_embed.proj(images), self.patch_embed.grid_size[0])
        tokens = patches.flatten(2).transpose(1, 2) + self.pos_embed
        prefix = torch.cat([self.cls_token, self.reg_token], dim=1).expand(len(tokens), -1, -1)
        return self.norm(self.blocks(torch.cat([prefix, tokens], dim=1)))[:, 0]


def windows(patches: Tensor, side: int) -> Tensor:
    """Five windows of a grid (N, C, rows, columns): centre, top left, bottom left, bottom right, top right.

    A grid that is shorter than a window one way or both is repeated and cut to a single window both ways, as
    published: a long and flat picture loses what lies beyond it.

    Returns:
        (5 · N, C, side, side), window by window.
    """
    rows, columns = patches.shape[-2:]
    if min(rows, columns) < side:
        repeats = (-(-side // rows), -(-side // columns))
        patches = patches.repeat(1, 1, *repeats)[..., :side, :side]
        rows = columns = side
    bottom, right = rows - side, columns - side
    corners = ((bottom // 2, right // 2), (0, 0), (bottom, 0), (bottom, right), (0, right))
    return torch.cat([patches[..., top : top + side, left : left + side] for top, left in corners])
