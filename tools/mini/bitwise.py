"""Bitwise next-scale prediction as in Infinity (arXiv 2412.04431): every bit of a token by a classifier of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.mini.bitwise_tokenizer import BITS, SCALES, BitwiseTokenizer
from benchmarks.mini.next_scale import ScaleTransformer, sample_scales

TEMPERATURES = (1.5, 1.5, 1.3, 1.0, 0.8, 0.6)
"""Of the maps, coarse to fine. All bits of a map are drawn at once, each for itself, and a network as small as this one
is unsure of each: at 1.0 throughout, coarse maps differ little and fine ones are noise."""


class BitwiseGenerator(nn.Module):
    """The tokenizer and the transformer together; 12 logits stand for 4,096 codes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tokenizer = BitwiseTokenizer()
        self.transformer = ScaleTransformer(classes, scales=SCALES, code_width=BITS, outputs=BITS)

    def sample(
        self, classes: Tensor, generator: torch.Generator, temperatures: Sequence[float] = TEMPERATURES
    ) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""

        def draw(scale: int, logits: Tensor) -> Tensor:
            uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64).to(logits)
            return self.tokenizer.codebook.to_indices(uniform < torch.sigmoid(logits / temperatures[scale]))

        return sample_scales(self.tokenizer, self.transformer, classes, draw)
