"""Masked prediction as in MaskGIT (arXiv 2202.04200): tokens in any order, the surest first, a few passes in all."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.mini.layers import TransformerBlock, draw_tokens
from benchmarks.mini.masked_tokenizer import CODES, MaskedTokenizer
from benchmarks.mini.tokenizer import GRID

TOKENS = GRID * GRID
STEPS = 12
"""MaskGIT takes 8 to 12."""

TOP_K = CODES // 8
RANDOMNESS = 12.0
"""Gumbel noise on the confidences at the first pass, falling to none at the last: MaskGIT's choice temperature. Its 4.5
would do for a network that knows more: here the surest tokens are those of flat areas, which then grow."""

MASK = CODES


def masked_share(progress: Tensor | float) -> Tensor:
    """The cosine schedule: what share of the tokens is masked at `progress` in [0, 1]."""
    return torch.cos(torch.as_tensor(progress, dtype=torch.float64) * math.pi / 2)


class MaskedTransformer(nn.Module):
    """Predicts every masked token from the class and the tokens that are known, on all sides.

    Every position also reads its eight neighbours directly: see `RasterTransformer`.
    """

    def __init__(self, classes: int, width: int = 192, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.condition = nn.Embedding(classes, width)
        self.embed = nn.Embedding(CODES + 1, width)
        self.neighbours = nn.Conv2d(width, width, 3, padding=1)
        self.position = nn.Parameter(0.02 * torch.randn(TOKENS, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CODES)

    def forward(self, classes: Tensor, tokens: Tensor) -> Tensor:
        """Logits (N, 256, codes) of all tokens, given the class (N,) and tokens (N, 256), some of them `MASK`."""
        x = self.embed(tokens)
        x = x + self.neighbours(x.mT.unflatten(2, (GRID, GRID))).flatten(2).mT
        x = x + self.position + self.condition(classes)[:, None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def sample(
        self, classes: Tensor, generator: torch.Generator, top_k: int = TOP_K, steps: int = STEPS
    ) -> Tensor:
        """Draw tokens (N, 256) for classes (N,).

        Each pass draws all masked tokens and keeps those it is surest of, as many as the schedule asks for;
        what is kept stays.
        """
        tokens = classes.new_full((len(classes), TOKENS), MASK)
        for step in range(1, steps + 1):
            logits = self(classes, tokens)
            masked = tokens == MASK
            drawn = draw_tokens(logits, top_k, generator)
            tokens = torch.where(masked, drawn, tokens)
            left = int(TOKENS * masked_share(step / steps)) if step < steps else 0
            if left:
                likelihood = logits.log_softmax(-1).gather(-1, drawn[..., None])[..., 0]
                uniform = torch.rand(likelihood.shape, generator=generator, dtype=torch.float64)
                gumbel = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
                confidence = likelihood + RANDOMNESS * (1 - step / steps) * gumbel.to(likelihood)
                least = confidence.masked_fill(~masked, math.inf).topk(left, largest=False).indices
                tokens = tokens.scatter(1, least, MASK)
        return tokens


class MaskedGenerator(nn.Module):
    """The tokenizer and the transformer together."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tokenizer = MaskedTokenizer()
        self.transformer = MaskedTransformer(classes)

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""
        return self.tokenizer.decode(self.transformer.sample(classes, generator))
