"""Gram-Net: ResNet-18 with branches on the Gram matrices of its feature maps.

"Global Texture Enhancement for Fake Face Detection in the Wild", CVPR 2020, arXiv 2002.00133;
the variant of AIGCDetectBenchmark, whose parameter names its published checkpoint has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from baselines.imagenet import load_imagenet
from baselines.layers import conv_bn_relu, initialise_convolutions
from baselines.network import NetworkDetector
from registry.protocol import published_input, view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View

RESNET18 = (2, 2, 2, 2)

_CHANNELS = 32
_BRANCHES = (
    # channels of the map it reads, published names of its three layers
    (3, "conv_interi_0", "gi_fc1", "gi_fc2"),
    (64, "conv_inter0_0", "g0_fc1", "g0_fc2"),
    (64, "conv_inter1_0", "g_fc1r", "g_fc2r"),
    (64, "conv_inter2_0", "g2_fc1", "g2_fc2"),
    (128, "conv_inter3_0", "g3_fc1", "g3_fc2"),
    (256, "conv_inter4_0", "g4_fc1", "g4_fc2"),
)


class GramNet(NetworkDetector):
    """Reads a square of 224 pixels of the picture at short side 256 (`original`).

    blocks: residual blocks of each stage. input: `AIGCDetectBenchmark`, where the published file is from and which
        reads that square; or `whole`, the picture at its own size.
    """

    keys = ("netC", "model", "state_dict")

    def __init__(
        self,
        protocol: str = "original",
        blocks: Sequence[int] = RESNET18,
        input: str = "AIGCDetectBenchmark",
    ) -> None:
        whole = View(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        offered = {"AIGCDetectBenchmark": replace(whole, resize=256, crop=224), "whole": whole}
        original = published_input("gramnet", protocol, input, offered)
        super().__init__(view_for(protocol, original), GramResNet(blocks))

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.network, path)


class GramResNet(ResNet):
    """ResNet-18 whose pooled features are joined by those of six Gram matrices, to one logit (N, 1)."""

    def __init__(self, blocks: Sequence[int] = RESNET18) -> None:
        super().__init__(BasicBlock, list(blocks))
        del self.fc
        for channels, mix, first, second in _BRANCHES:
            setattr(self, mix, conv_bn_relu(channels, _CHANNELS, stride=1))
            setattr(self, first, conv_bn_relu(1, 16, stride=2))
            setattr(self, second, conv_bn_relu(16, _CHANNELS, stride=2))
        self.scale = _Scale()
        features = 512 + len(_BRANCHES) * _CHANNELS
        self.fcnewr = nn.Sequential(nn.Linear(features, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 1))
        initialise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.relu(self.bn1(self.conv1(images)))
        pooled = self.maxpool(stem)
        first = self.layer1(pooled)
        second = self.layer2(first)
        third = self.layer3(second)
        textures = [
            self.scale(self._texture(features, *names))
            for features, (_, *names) in zip(
                (images, stem, pooled, first, second, third), _BRANCHES, strict=True
            )
        ]
        return self.fcnewr(torch.cat([_average(self.layer4(third)), *textures], dim=1))

    def _texture(self, features: Tensor, mix: str, first: str, second: str) -> Tensor:
        """(N, C, height, width) to (N, 32)."""
        matrix = gram_matrix(getattr(self, mix)(features)).unsqueeze(1)
        return _average(getattr(self, second)(getattr(self, first)(matrix)))


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def gram_matrix(features: Tensor) -> Tensor:
    """Products of all pairs of channels of (N, C, height, width), over C · height · width: (N, C, C)."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()


def _average(features: Tensor) -> Tensor:
    return features.mean(dim=(2, 3))
