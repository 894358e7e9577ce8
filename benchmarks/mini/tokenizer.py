"""VQ-VAE with an L2-normalised codebook (LlamaGen's kind of tokenizer, arXiv 2406.06525): stride 4."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.layers import PlainBlock

CODES = 512
CODE_WIDTH = 8
GRID = 16
"""A picture of 64×64 px becomes 16×16 tokens."""


class Codebook(nn.Module):
    """`codes` vectors of `width`; a latent takes the nearest one."""

    def __init__(self, codes: int = CODES, width: int = CODE_WIDTH) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(torch.randn(codes, width), dim=1))
        self.vectors: Tensor

    def nearest(self, latents: Tensor) -> Tensor:
        """Indices of the codes nearest to latents (..., width): int64 (...)."""
        return (latents @ self.vectors.T - self.vectors.square().sum(1) / 2).argmax(-1)

    def forward(self, indices: Tensor) -> Tensor:
        """Code vectors (..., width) of indices (...)."""
        return self.vectors[indices]


class PictureEncoder(nn.Sequential):
    """Pictures in [-1, 1] (N, 3, 64, 64) to latents (N, width, 16, 16)."""

    def __init__(self, channels: int, width: int = CODE_WIDTH) -> None:
        super().__init__(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, channels, 3, padding=1),
            PlainBlock(channels),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            PlainBlock(2 * channels),
            PlainBlock(2 * channels),
            nn.Conv2d(2 * channels, width, 1),
        )


class ImageDecoder(nn.Sequential):
    """Code vectors (N, width, 16, 16) to pictures in about [-1, 1] (N, 3, 64, 64)."""

    def __init__(self, channels: int, width: int = CODE_WIDTH) -> None:
        super().__init__(
            nn.Conv2d(width, 2 * channels, 3, padding=1),
            PlainBlock(2 * channels),
            PlainBlock(2 * channels),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            PlainBlock(channels),
            PlainBlock(channels),
            nn.Conv2d(channels, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )


class Quantized(NamedTuple):
    """vectors: what the decoder reads (N, 8, 16, 16). indices: the tokens (N, tokens), int64.
    chosen_by: the latent that chose each token (N, tokens, 8)."""

    vectors: Tensor
    indices: Tensor
    chosen_by: Tensor


class Tokenizer(nn.Module):
    """Pictures to one code per 4×4 px cell and back."""

    unit_codes = True

    encoder: nn.Module
    codebook: Codebook
    decoder: nn.Module

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.build(channels)

    def build(self, channels: int) -> None:
        """Make encoder, codebook and decoder."""
        self.encoder = PictureEncoder(channels)
        self.codebook = Codebook()
        self.decoder = ImageDecoder(channels)

    def encode(self, images: Tensor) -> Tensor:
        """Latents (N, 8, 16, 16), of length 1 at every position, of pictures (N, 3, 64, 64) in [-1, 1]."""
        return F.normalize(self.encoder(images), dim=1)

    def quantize(self, latents: Tensor) -> Quantized:
        """Nearest codes of latents (N, 8, 16, 16)."""
        sequence = latents.flatten(2).mT
        indices = self.codebook.nearest(sequence)
        return Quantized(self.vectors(indices), indices, sequence)

    def vectors(self, indices: Tensor) -> Tensor:
        """What the decoder reads (N, 8, 16, 16) for tokens (N, 256)."""
        return self.codebook(indices).mT.unflatten(2, (GRID, GRID))

    def decode(self, indices: Tensor) -> Tensor:
        """Pictures (N, 3, 64, 64) of tokens (N, 256)."""
        return self.decoder(self.vectors(indices))
