"""A class-conditional convolutional generator (DCGAN's shape, arXiv 1511.06434, with ProGAN's pixel
normalisation, 1710.10196, and StyleGAN's noise inputs, 1812.04948)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 64
_WIDTHS = (160, 128, 96, 48, 24)
"""Channels at 4, 8, 16, 32 and 64 px."""


class NoisyConvolution(nn.Module):
    """3×3 convolution, noise of a learned strength per channel, and features of length √channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")
        self.noise = nn.Parameter(torch.full((outputs, 1, 1), 0.3))

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        x = self.conv(x)
        noise = torch.randn(len(x), 1, *x.shape[2:], generator=generator, dtype=torch.float64)
        x = F.leaky_relu(x + self.noise * noise.to(x), 0.2)
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class ConvolutionalGenerator(nn.Module):
    """Latents and classes to pictures."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.condition = nn.Embedding(classes, LATENT)
        self.start = nn.Linear(2 * LATENT, _WIDTHS[0] * 16)
        self.blocks = nn.ModuleList(
            NoisyConvolution(inputs, outputs)
            for inputs, outputs in zip((_WIDTHS[0], *_WIDTHS), _WIDTHS, strict=False)
        )
        self.to_rgb = nn.Conv2d(_WIDTHS[-1], 3, 3, padding=1, padding_mode="replicate")

    def forward(self, latents: Tensor, classes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Pictures (N, 3, 64, 64) in [-1, 1] of latents (N, 64) and classes (N,); noise from `generator`."""
        x = self.start(torch.cat([latents, self.condition(classes)], 1)).view(len(latents), -1, 4, 4)
        for number, block in enumerate(self.blocks):
            if number:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, generator)
        return torch.tanh(self.to_rgb(x))

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in [-1, 1] of classes (N,)."""
        latents = torch.randn(len(classes), LATENT, generator=generator, dtype=torch.float64)
        return self(latents.to(self.to_rgb.weight), classes, generator)
