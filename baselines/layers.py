"""Pieces that several baselines are built of."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """3×3 convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def initialise_convolutions(network: nn.Module) -> None:
    """He initialisation by fan-out, as torchvision's ResNet has it, for the convolutions added to one."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
