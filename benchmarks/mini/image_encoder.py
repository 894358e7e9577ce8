"""A small convolutional image encoder: what CLIP is to the published detectors."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from benchmarks.mini.layers import PlainBlock

_WIDTHS = (32, 48, 96, 128)
STAGES = len(_WIDTHS)
FEATURES = 2 * sum(_WIDTHS)
_FAINTEST = 0.01


class ImageEncoder(nn.Module):
    """Pictures to one feature vector: the mean and the logarithm of the deviation over positions.

    Both are read after each of four stages: fine texture is gone after the second one. Features are
    standardised by their mean and deviation in training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3, _WIDTHS[0], 3)])
        for inputs, outputs in itertools.pairwise(_WIDTHS):
            self.stages.append(
                nn.Sequential(
                    nn.SiLU(), nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), PlainBlock(outputs)
                )
            )
        self.standardise = nn.BatchNorm1d(FEATURES, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, 608) of pictures (N, 3, height, width), normalised by CLIP's mean and deviation."""
        features, x = [], images
        for stage in self.stages:
            x = stage(x)
            features += [x.mean((2, 3)), (x.var((2, 3)) + _FAINTEST**2).log()]
        return self.standardise(torch.cat(features, 1))
