"""Next-scale prediction as in VAR (arXiv 2404.02905): whole token maps, coarse to fine, one pass each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.layers import Cache, TransformerBlock, draw_tokens
from benchmarks.mini.multiscale import SCALES, MultiScaleTokenizer
from benchmarks.mini.tokenizer import CODE_WIDTH, CODES, GRID

LENGTHS = [side * side for side in SCALES]
TOP_K = CODES // 32
"""VAR samples from 900 of 4096 codes. All tokens of a map are drawn at once, each for itself, and a network
as small as this one is unsure of each: with as many codes to choose from, its pictures are noise."""


class ScaleTransformer(nn.Module):
    """Predicts all tokens of a map at once from the class and what the coarser maps add up to.

    scales, code_width: the tokenizer's. outputs: logits per token.
    """

    def __init__(
        self,
        classes: int,
        width: int = 192,
        depth: int = 4,
        heads: int = 4,
        scales: Sequence[int] = SCALES,
        code_width: int = CODE_WIDTH,
        outputs: int = CODES,
    ) -> None:
        super().__init__()
        lengths = [side * side for side in scales]
        self.start = nn.Embedding(classes, width)
        self.embed = nn.Linear(code_width, width)
        self.position = nn.Parameter(0.02 * torch.randn(sum(lengths), width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        scale = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
        self.register_buffer("visible", scale[:, None] >= scale[None, :], persistent=False)
        self.visible: Tensor

    def forward(self, classes: Tensor, coarser: Tensor) -> Tensor:
        """Logits (N, 341, codes).

        coarser: (N, 340, 8), for each map but the first, what the coarser maps add up to.
        """
        condition = self.start(classes)[:, None]
        x = torch.cat([condition, condition + self.embed(coarser)], 1) + self.position
        for block in self.blocks:
            x = block(x, mask=self.visible)
        return self.head(self.norm(x))


class ScaleGenerator(nn.Module):
    """The multi-scale tokenizer and the transformer together."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tokenizer = MultiScaleTokenizer()
        self.transformer = ScaleTransformer(classes)

    def sample(self, classes: Tensor, generator: torch.Generator, top_k: int = TOP_K) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""
        return sample_scales(
            self.tokenizer,
            self.transformer,
            classes,
            lambda scale, logits: draw_tokens(logits, top_k, generator),
        )


def sample_scales(
    tokenizer: MultiScaleTokenizer,
    transformer: ScaleTransformer,
    classes: Tensor,
    draw: Callable[[int, Tensor], Tensor],
) -> Tensor:
    """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,), map by map, each computed once.

    draw: of the map's number and its logits (N, side², outputs) its tokens (N, side²).
    """
    caches = [Cache(len(transformer.position)) for _ in transformer.blocks]
    condition = transformer.start(classes)[:, None]
    total = condition.new_zeros(len(classes), tokenizer.code_width, GRID, GRID)
    lengths = [side * side for side in tokenizer.scales]
    for scale, positions in enumerate(transformer.position.split(lengths)):
        x = condition + positions
        if scale:
            x = x + transformer.embed(pooled(total, tokenizer.scales[scale]))
        for block, cache in zip(transformer.blocks, caches, strict=True):
            x = block(x, cache=cache)
        tokens = draw(scale, transformer.head(transformer.norm(x)))
        total = total + tokenizer.contribution(scale, tokens)
    return tokenizer.decoder(total)


def coarser(tokenizer: MultiScaleTokenizer, indices: Tensor) -> Tensor:
    """The transformer's input (N, tokens - 1, code width) for known tokens (N, tokens)."""
    total: Tensor | int = 0
    inputs = []
    lengths = [side * side for side in tokenizer.scales]
    for scale, tokens in enumerate(indices.split(lengths, 1)[:-1]):
        total = total + tokenizer.contribution(scale, tokens)
        inputs.append(pooled(total, tokenizer.scales[scale + 1]))
    return torch.cat(inputs, 1)


def pooled(total: Tensor, side: int) -> Tensor:
    """A map (N, width, 16, 16) averaged to side×side positions: (N, side², width)."""
    return F.adaptive_avg_pool2d(total, side).flatten(2).mT
