"""Infinity's kind of tokenizer (arXiv 2412.04431): a residual pyramid of maps of bits, quantised without a
learned codebook as in BSQ (arXiv 2406.07548)."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.mini.multiscale import MultiScaleTokenizer
from benchmarks.mini.tokenizer import Codebook, ImageDecoder, PictureEncoder

BITS = 12
SCALES = (1, 2, 4, 6, 10, 16)
"""Sides of the maps, coarse to fine: 413 tokens a picture, of 12 bits each."""


class BinaryCodebook(Codebook):
    """All corners of a cube on the unit sphere; a latent takes the one in its own orthant, channel by channel.

    Code number i has the sign of bit c of i, 0 minus and 1 plus, in channel c.
    """

    def __init__(self, bits: int = BITS) -> None:
        super().__init__(1 << bits, bits)
        # nothing is learned, so nothing is stored
        del self.vectors
        self.register_buffer("places", 1 << torch.arange(bits), persistent=False)
        self.places: Tensor
        corners = self.from_bits(self.bits(torch.arange(1 << bits)))
        self.register_buffer("vectors", corners, persistent=False)

    def nearest(self, latents: Tensor) -> Tensor:
        return self.to_indices(latents > 0)

    def bits(self, indices: Tensor) -> Tensor:
        """The bits of codes (...): bool (..., bits)."""
        return (indices[..., None] & self.places) != 0

    def to_indices(self, bits: Tensor) -> Tensor:
        """Codes int64 (...) of bits, bool (..., bits)."""
        return (bits * self.places).sum(-1)

    def from_bits(self, bits: Tensor) -> Tensor:
        """Code vectors float32 (..., bits), of length 1, of bits, bool (..., bits)."""
        return (bits.float() * 2 - 1) / bits.shape[-1] ** 0.5


class BitwiseTokenizer(MultiScaleTokenizer):
    """Each map says, bit by bit, on which side of zero lies what the coarser maps left over."""

    scales = SCALES
    code_width = BITS
    codebook: BinaryCodebook

    def build(self, channels: int) -> None:
        self.encoder = PictureEncoder(channels, BITS)
        self.codebook = BinaryCodebook()
        self.decoder = ImageDecoder(channels, BITS)
