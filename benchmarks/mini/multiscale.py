"""VAR's kind of tokenizer (arXiv 2404.02905): a residual pyramid of token maps over one codebook."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.tokenizer import CODE_WIDTH, GRID, Quantized, Tokenizer

SCALES = (1, 2, 4, 8, 16)
"""Sides of the token maps, coarse to fine: 341 tokens a picture."""


class MultiScaleTokenizer(Tokenizer):
    """Each map quantises what the coarser maps left over; codes keep their length."""

    unit_codes = False
    scales: tuple[int, ...] = SCALES
    code_width = CODE_WIDTH

    def __init__(self, channels: int = 48) -> None:
        super().__init__(channels)
        width = self.code_width
        self.smoothers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.scales)

    def encode(self, images: Tensor) -> Tensor:
        """Latents (N, 8, 16, 16) of pictures (N, 3, 64, 64) in [-1, 1]."""
        return self.encoder(images)

    def quantize(self, latents: Tensor) -> Quantized:
        """Token maps of latents (N, 8, 16, 16), coarse to fine, flattened into 341 tokens."""
        total = torch.zeros_like(latents)
        indices, chosen_by = [], []
        for scale, side in enumerate(self.scales):
            left_over = F.adaptive_avg_pool2d(latents - total.detach(), side)
            sequence = left_over.flatten(2).mT
            tokens = self.codebook.nearest(sequence)
            total = total + self.contribution(scale, tokens)
            indices.append(tokens)
            chosen_by.append(sequence)
        return Quantized(total, torch.cat(indices, 1), torch.cat(chosen_by, 1))

    def contribution(self, scale: int, tokens: Tensor) -> Tensor:
        """What the token map (N, side²) of one scale adds to the decoder's input: (N, 8, 16, 16)."""
        side = self.scales[scale]
        vectors = self.codebook(tokens).mT.unflatten(2, (side, side))
        grown = F.interpolate(vectors, (GRID, GRID), mode="bilinear") if side < GRID else vectors
        return (grown + self.smoothers[scale](grown)) / 2

    def vectors(self, indices: Tensor) -> Tensor:
        """What the decoder reads (N, 8, 16, 16) for all tokens (N, 341)."""
        maps = indices.split([side * side for side in self.scales], 1)
        return torch.stack([self.contribution(scale, tokens) for scale, tokens in enumerate(maps)]).sum(0)
