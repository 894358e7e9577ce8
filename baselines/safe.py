"""SAFE: a cut ResNet-50 on the picture's finest diagonal wavelet band.

"Improving Synthetic Image Detection Towards Generalization: An Image Transformation Perspective", KDD 2025,
arXiv 2408.06741; parameter names are those of its published checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.network import NetworkDetector
from baselines.npr import CutResNet
from registry.protocol import view_for
from registry.view import View


class SAFE(NetworkDetector):
    """Reads a square of 256 pixels cut from the picture without resizing, in [0, 1] (`original`).

    blocks: residual blocks of its two stages.
    """

    def __init__(self, protocol: str = "original", blocks: Sequence[int] = (3, 4)) -> None:
        super().__init__(view_for(protocol, View(crop=256), crop=256), SAFENetwork(blocks))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        real, generated = self.network(inputs["image"]).unbind(1)
        return generated - real


class SAFENetwork(CutResNet):
    """The cut ResNet on the diagonal band, brought back to the picture's size; logits of real and generated (N, 2)."""

    def __init__(self, blocks: Sequence[int] = (3, 4)) -> None:
        super().__init__(blocks, outputs=2)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.signal(images))

    def signal(self, images: Tensor) -> Tensor:
        """The band at the size of the images (N, 3, height, width)."""
        return F.interpolate(diagonal_band(images), images.shape[-2:], mode="bilinear", antialias=True)


def diagonal_band(images: Tensor) -> Tensor:
    """One level of the bior1.3 wavelet transform, its band of high frequencies both ways.

    The analysis high-pass of bior1.3 has two taps that are not 0, so the band holds scaled differences of
    neighbours in both directions, those across the symmetrically extended border included.

    images: (N, C, height, width). Returns (N, C, (height + 5) // 2, (width + 5) // 2).
    """
    return _differences(_differences(images, -1), -2)


def _differences(images: Tensor, axis: int) -> Tensor:
    """(x[2k] − x[2k + 1]) / √2 along `axis`, two mirrored values on either side, three at the end of an odd one."""
    x = images.movedim(axis, -1)
    margin = 2 + x.shape[-1] % 2
    x = torch.cat([x[..., :2].flip(-1), x, x[..., -margin:].flip(-1)], dim=-1)
    return ((x[..., ::2] - x[..., 1::2]) / math.sqrt(2)).movedim(-1, axis)
