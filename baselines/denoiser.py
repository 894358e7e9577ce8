"""The RGB denoiser in front of LNP: CycleISP's (CVPR 2020, arXiv 2003.07761), returning what it removes.

Parameter names are those of the published `sidd_rgb.pth`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor, nn

from registry.encoder import Encoder
from registry.weights import load_strict, read_state_dict


class Denoiser(Encoder):
    """Recursive residual groups of dual-attention blocks.

    Output `pattern`: the noise pattern (N, 3, height, width) of pictures in [0, 1], unbounded.
    """

    outputs = ("pattern",)
    converts = ("body",)

    def __init__(self, width: int = 64, groups: int = 4, blocks: int = 8, reduction: int = 16) -> None:
        super().__init__()
        # one activation serves the whole network, under a name in every place where it is used
        activation = nn.PReLU(width)
        self.head = nn.Sequential(_conv(3, width))
        self.body = nn.Sequential(
            *[_Group(width, blocks, reduction, activation) for _ in range(groups)],
            _conv(width, width),
            activation,
        )
        self.tail = nn.Sequential(_conv(width, 3))

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        # picture by picture: 64 channels at every pixel of a large batch would not fit
        return {"pattern": torch.cat([-self.tail(self.body(self.head(one))) for one in images.split(1)])}

    def load_weights(self, path: Path) -> None:
        load_strict(self, read_state_dict(path), path)


class _Group(nn.Module):
    def __init__(self, width: int, blocks: int, reduction: int, activation: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *[_DualAttention(width, reduction, activation) for _ in range(blocks)], _conv(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _DualAttention(nn.Module):
    """Two convolutions, then attention over positions and over channels side by side, with a residual connection."""

    def __init__(self, width: int, reduction: int, activation: nn.Module) -> None:
        super().__init__()
        self.SA = _SpatialAttention()
        self.CA = _ChannelAttention(width, reduction)
        self.body = nn.Sequential(_conv(width, width), activation, _conv(width, width))
        self.conv1x1 = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.body(x)
        return x + self.conv1x1(torch.cat([self.SA(residual), self.CA(residual)], dim=1))


class _SpatialAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, 3, padding=1, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * self.spatial["conv"](summary).sigmoid()


class _ChannelAttention(nn.Module):
    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv_du(x.mean(dim=(2, 3), keepdim=True))


def _conv(in_channels: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, padding=1)
