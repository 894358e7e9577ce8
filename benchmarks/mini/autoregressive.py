"""A class-conditional transformer over the tokenizer's raster of tokens, as in LlamaGen (arXiv 2406.06525)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.layers import Cache, TransformerBlock, draw_tokens
from benchmarks.mini.tokenizer import CODES, GRID, Tokenizer

TOKENS = GRID * GRID
TOP_K = CODES // 8
"""LlamaGen samples from 2000 of 16384 codes: an eighth."""

_STEPS_BACK = (1, GRID, GRID - 1)
_NOTHING = CODES
"""Stands for a neighbour outside the picture."""


class RasterTransformer(nn.Module):
    """Predicts each token from the picture's class and the tokens before it.

    Every position also reads its neighbours to the left, above and above right directly: a network
    that is trained for minutes would not find out which of 256 positions lie above each other.
    """

    def __init__(self, classes: int, width: int = 192, depth: int = 5, heads: int = 4) -> None:
        super().__init__()
        self.condition = nn.Embedding(classes, width)
        self.neighbours = nn.ModuleList(nn.Embedding(CODES + 1, width) for _ in _STEPS_BACK)
        self.position = nn.Parameter(0.02 * torch.randn(TOKENS, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CODES)

    def forward(self, classes: Tensor, tokens: Tensor) -> Tensor:
        """Logits (N, 256, codes) of all tokens (N, 256) given those before them and the class (N,)."""
        x = self.condition(classes)[:, None] + self.position
        for back, embedding in zip(_STEPS_BACK, self.neighbours, strict=True):
            x = x + embedding(F.pad(tokens[:, :-back], (back, 0), value=_NOTHING))
        for block in self.blocks:
            x = block(x, causal=True)
        return self.head(self.norm(x))

    def sample(self, classes: Tensor, generator: torch.Generator, top_k: int = TOP_K) -> Tensor:
        """Draw tokens (N, 256) for classes (N,)."""
        caches = [Cache(TOKENS) for _ in self.blocks]
        longest = max(_STEPS_BACK)
        tokens = classes.new_full((len(classes), longest + TOKENS), _NOTHING)
        condition = self.condition(classes)
        for position in range(TOKENS):
            x = condition + self.position[position]
            for back, embedding in zip(_STEPS_BACK, self.neighbours, strict=True):
                x = x + embedding(tokens[:, longest + position - back])
            x = x[:, None]
            for block, cache in zip(self.blocks, caches, strict=True):
                x = block(x, cache=cache)
            tokens[:, longest + position] = draw_tokens(self.head(self.norm(x[:, 0])), top_k, generator)
        return tokens[:, longest:]


class RasterGenerator(nn.Module):
    """The tokenizer and the transformer together."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tokenizer = Tokenizer()
        self.transformer = RasterTransformer(classes)

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""
        return self.tokenizer.decode(self.transformer.sample(classes, generator))
