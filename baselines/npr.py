"""NPR: a cut ResNet-50 on each pixel's difference from its 2×2 neighbourhood's first pixel.

"Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable Deepfake
Detection", CVPR 2024, arXiv 2312.10461.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from baselines.layers import initialise_convolutions
from baselines.network import NetworkDetector
from registry.protocol import published_input, view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View


class NPR(NetworkDetector):
    """Reads the whole picture at its own size (`original`).

    blocks: residual blocks of its two stages. input: the test set whose published figures are to be compared with:
        the released evaluation leaves the size of `GANGen-Detection` alone and stretches the pictures of
        `ForenSynths`, `DiffusionForensics` and `UniversalFakeDetect` to 256×256.
    """

    def __init__(
        self,
        protocol: str = "original",
        blocks: Sequence[int] = (3, 4),
        input: str = "GANGen-Detection",
    ) -> None:
        whole = View(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        stretched = replace(whole, resize=256, stretch=True)
        sets = dict.fromkeys(("ForenSynths", "DiffusionForensics", "UniversalFakeDetect"), stretched)
        original = published_input("npr", protocol, input, {"GANGen-Detection": whole, **sets})
        super().__init__(view_for(protocol, original), NPRNetwork(blocks))


class CutResNet(ResNet):
    """ResNet-50 up to its second stage, with a 3×3 first convolution, to `outputs` logits (N, outputs)."""

    def __init__(self, blocks: Sequence[int] = (3, 4), outputs: int = 1) -> None:
        super().__init__(Bottleneck, [*blocks, 1, 1])
        del self.layer3, self.layer4, self.fc
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.fc1 = nn.Linear(512, outputs)
        initialise_convolutions(self)

    def forward(self, signal: Tensor) -> Tensor:
        return self.fc1(self.features(signal))

    def features(self, signal: Tensor) -> Tensor:
        """What the last layer reads, (N, 512)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(signal))))
        return self.layer2(self.layer1(x)).mean(dim=(2, 3))


class NPRNetwork(CutResNet):
    """The cut ResNet on differences of neighbouring pixels, to one logit (N, 1)."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(neighbour_differences(images) * 2 / 3)


def neighbour_differences(images: Tensor) -> Tensor:
    """x − up(down(x)) by nearest neighbour, factor 2; an odd last row or column is cut off first."""
    height, width = (side // 2 * 2 for side in images.shape[-2:])
    images = images[..., :height, :width]
    return images - F.interpolate(images[..., ::2, ::2], scale_factor=2, mode="nearest")
