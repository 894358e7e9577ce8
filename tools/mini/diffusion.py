"""A class-conditional denoising diffusion model (arXiv 2006.11239, 2102.09672) sampled by DDIM (2010.02502)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLING_STEPS = 24
_CONDITION = 128
_OFFSET = 0.008


def signal_level(time: Tensor) -> Tensor:
    """ᾱ of the cosine schedule at time in [0, 1], kept inside [1e-4, 1 - 1e-4]."""
    angle = (time + _OFFSET) / (1 + _OFFSET) * math.pi / 2
    return (angle.cos().square() / math.cos(_OFFSET / (1 + _OFFSET) * math.pi / 2) ** 2).clamp(1e-4, 1 - 1e-4)


class UNet(nn.Module):
    """Predicts v = √ᾱ·noise - √(1-ᾱ)·picture (arXiv 2202.00512) at 32, 16 and 8 px."""

    def __init__(self, classes: int, channels: int = 48) -> None:
        super().__init__()
        one, two, three = channels, 2 * channels, 2 * channels
        self.classes = nn.Embedding(classes, _CONDITION)
        self.time = nn.Sequential(
            nn.Linear(64, _CONDITION), nn.SiLU(), nn.Linear(_CONDITION, _CONDITION), nn.SiLU()
        )
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, one, 3, padding=1))
        self.down1 = ResidualBlock(one, _CONDITION)
        self.shrink1 = nn.Conv2d(one, two, 4, stride=2, padding=1)
        self.down2 = ResidualBlock(two, _CONDITION)
        self.shrink2 = nn.Conv2d(two, three, 4, stride=2, padding=1)
        self.middle1 = ResidualBlock(three, _CONDITION)
        self.attention = SelfAttention(three)
        self.middle2 = ResidualBlock(three, _CONDITION)
        self.grow2 = nn.Conv2d(three, 4 * two, 1)
        self.merge2 = nn.Conv2d(2 * two, two, 1)
        self.up2 = ResidualBlock(two, _CONDITION)
        self.grow1 = nn.Conv2d(two, 4 * one, 1)
        self.merge1 = nn.Conv2d(2 * one, one, 1)
        self.up1 = ResidualBlock(one, _CONDITION)
        self.leave = nn.Sequential(
            nn.GroupNorm(8, one), nn.SiLU(), nn.Conv2d(one, 12, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, noisy: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        """v (N, 3, 64, 64) of noisy pictures (N, 3, 64, 64), times (N,) in [0, 1] and classes (N,)."""
        condition = self.time(_fourier(time)) + self.classes(classes)
        first = self.down1(self.enter(noisy), condition)
        second = self.down2(self.shrink1(first), condition)
        x = self.middle1(self.shrink2(second), condition)
        x = self.middle2(self.attention(x), condition)
        x = self.merge2(torch.cat([F.pixel_shuffle(self.grow2(x), 2), second], 1))
        x = self.up2(x, condition)
        x = self.merge1(torch.cat([F.pixel_shuffle(self.grow1(x), 2), first], 1))
        return self.leave(self.up1(x, condition))

    def sample(self, classes: Tensor, generator: torch.Generator, steps: int = SAMPLING_STEPS) -> Tensor:
        """Pictures (N, 3, 64, 64) in [-1, 1] of classes (N,), by deterministic DDIM."""
        weight = self.classes.weight
        x = torch.randn(len(classes), 3, 64, 64, generator=generator, dtype=torch.float64).to(weight)
        times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        levels = signal_level(times).to(weight)
        for number in range(steps):
            now, then = levels[number], levels[number + 1]
            v = self(x, times[number].to(weight).expand(len(x)), classes)
            picture = (now.sqrt() * x - (1 - now).sqrt() * v).clamp(-1, 1)
            noise = (x - now.sqrt() * picture) / (1 - now).sqrt()
            x = then.sqrt() * picture + (1 - then).sqrt() * noise
        return picture


class ResidualBlock(nn.Module):
    """Two normalised 3×3 convolutions and a skip; `condition` (N, width_of_condition) shifts the middle."""

    def __init__(self, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Linear(condition, channels) if condition else None
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.shift is not None and condition is not None:
            h = h + self.shift(condition)[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(h)))


class SelfAttention(nn.Module):
    """Every position of a feature map attends to all."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.proj.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, 3, self.heads, channels // self.heads, -1)
        query, key, value = qkv.transpose(3, 4).unbind(1)
        attended = F.scaled_dot_product_attention(query, key, value)
        return x + self.proj(attended.transpose(2, 3).reshape(batch, channels, height, width))


def _fourier(time: Tensor) -> Tensor:
    """Sines and cosines (N, 64) of times (N,), at 32 frequencies from 1 to 1000."""
    frequencies = torch.logspace(0, 3, 32, dtype=torch.float64).to(time)
    angles = time[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
