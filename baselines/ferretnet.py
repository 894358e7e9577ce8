"""FerretNet-S: a small network on each pixel's difference from its neighbours' median.

FerretNet, NeurIPS 2025, arXiv 2509.20890; parameter names are those of its published checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers import conv_bn_relu
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import CLIP_MEAN, CLIP_STD, View


class FerretNet(Detector):
    """Reads a square of 256 pixels cut from the picture without resizing (`original`).

    width: channels after the stem; every stage doubles them.
    depths: blocks of each stage, the first of which halves the resolution.
    """

    def __init__(self, protocol: str = "original", width: int = 32, depths: Sequence[int] = (2, 2)) -> None:
        super().__init__()
        self.view = view_for(protocol, View(crop=256, mean=CLIP_MEAN, std=CLIP_STD), crop=256)
        self.cbr1 = conv_bn_relu(3, width // 2, stride=1)
        self.cbr2 = conv_bn_relu(width // 2, width, stride=2)
        self.feature = nn.Sequential()
        for depth in depths:
            blocks = [Block(width, 2 * width, stride=2)]
            blocks += [Block(2 * width, 2 * width, stride=1) for _ in range(depth - 1)]
            self.feature.append(nn.Sequential(*blocks))
            width *= 2
        self.feature.append(nn.Conv2d(width, width, 1, bias=False))
        self.logit = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, 1))

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        image = inputs["image"]
        features = self.feature(self.cbr2(self.cbr1(image - neighbour_median(image))))
        return self.logit(features.mean(dim=(2, 3))).squeeze(1)


class Block(nn.Module):
    """Two depthwise convolutions of different dilation, mixed, then a separable one, with a residual connection."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _DilatedPair(in_channels, channels, stride),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            _Separable(channels),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x))


class _DilatedPair(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _depthwise(in_channels, channels, stride, dilation=1)
        self.conv2 = _depthwise(in_channels, channels, stride, dilation=2)
        self.conv3 = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv1(x) + self.conv2(x))


class _Separable(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depth_wise = _depthwise(channels, channels, stride=1, dilation=1)
        self.point_wise = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_wise(self.depth_wise(x))


def neighbour_median(images: Tensor) -> Tensor:
    """Median of each pixel's 3×3 neighbourhood with its centre taken as 0, per channel.

    images: (N, C, height, width), zero outside. Returns the same shape.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (1, 1, 1, 1))
    window = [padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    window[4] = torch.zeros_like(images)
    return torch.stack(window).median(dim=0).values


def _depthwise(in_channels: int, channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride, dilation, dilation, groups=in_channels, bias=False)
