"""A small convolutional image encoder: what CLIP is to the published detectors."""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.mini.layers import ResidualBlock

FEATURES = 192
_WIDTHS = (32, 64, 128)


class ImageEncoder(nn.Module):
    """Pictures to one feature vector: three strided stages and the mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), ResidualBlock(outputs)]
        self.stages = nn.Sequential(*layers, nn.Conv2d(_WIDTHS[-1], FEATURES, 1), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, 192) of pictures (N, 3, height, width), normalised by CLIP's mean and deviation."""
        return self.stages(images).mean((2, 3))
