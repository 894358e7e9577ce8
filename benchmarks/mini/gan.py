"""A class-conditional style-based generator (after StyleGAN, arXiv 1812.04948), small."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 64
_STYLE = 128
_WIDTHS = (192, 160, 112, 64)
"""Channels at 4, 8, 16 and 32 px; the last convolution fills 2×2 px per position."""


class StyledConvolution(nn.Module):
    """3×3 convolution, noise, and instance normalisation whose scale and shift the style sets."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.noise = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.style = nn.Linear(_STYLE, 2 * outputs)

    def forward(self, x: Tensor, style: Tensor, generator: torch.Generator | None) -> Tensor:
        x = self.conv(x)
        noise = torch.randn(len(x), 1, *x.shape[2:], generator=generator, dtype=torch.float64)
        x = F.leaky_relu(x + self.noise * noise.to(x), 0.2)
        scale, shift = self.style(style)[:, :, None, None].chunk(2, 1)
        return F.instance_norm(x) * (1 + scale) + shift


class StyleGenerator(nn.Module):
    """Latents and classes to pictures."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.condition = nn.Embedding(classes, LATENT)
        self.mapping = nn.Sequential(
            nn.Linear(2 * LATENT, _STYLE), nn.LeakyReLU(0.2), nn.Linear(_STYLE, _STYLE), nn.LeakyReLU(0.2)
        )
        self.start = nn.Parameter(torch.randn(_WIDTHS[0], 4, 4))
        self.blocks = nn.ModuleList(
            StyledConvolution(inputs, outputs)
            for inputs, outputs in zip((_WIDTHS[0], *_WIDTHS), (*_WIDTHS, _WIDTHS[-1]), strict=True)
        )
        self.to_rgb = nn.Sequential(nn.Conv2d(_WIDTHS[-1], 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, latents: Tensor, classes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Pictures (N, 3, 64, 64) in [-1, 1] of latents (N, 64) and classes (N,); noise from `generator`."""
        style = self.mapping(torch.cat([F.normalize(latents) * LATENT**0.5, self.condition(classes)], 1))
        x = self.start.expand(len(latents), -1, -1, -1)
        for number, block in enumerate(self.blocks):
            if 0 < number < len(_WIDTHS):
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = block(x, style, generator)
        return torch.tanh(self.to_rgb(x))

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in [-1, 1] of classes (N,)."""
        latents = torch.randn(len(classes), LATENT, generator=generator, dtype=torch.float64)
        return self(latents.to(self.start), classes, generator)
