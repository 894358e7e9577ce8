"""VAR's class-conditional transformer (arXiv 2404.02905, github.com/FoundationVision/VAR).

Parameter names are those of the published `var_d16.pth`, `var_d20.pth` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.likelihood import TokenLikelihood
from registry.weights import load_strict, read_state_dict

SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
_EPSILON = 1e-6
_HOTTEST = 100.0
"""No query of length above this, as published."""
_DERIVED = ("lvl_1L", "attn_bias_for_masking")
"""In the file, but known from the scales."""


class _CoarseToFine(Protocol):
    def coarser(self, indices: Tensor) -> Tensor: ...


class VAR(TokenLikelihood):
    """Predicts all tokens of a scale at once from the class and what the coarser scales add up to.

    depth: blocks, and heads; the width is 64 times that (16, 20, 24, 30 are published for 256 px).
    scales: sides of the token maps. codes, code_channels: of the tokenizer. known_classes: that it was
    trained on; one more stands for none. width: another width.
    """

    def __init__(
        self,
        classes: Sequence[int] = tuple(range(1000)),
        depth: int = 16,
        scales: Sequence[int] = SCALES,
        codes: int = 4096,
        code_channels: int = 32,
        known_classes: int = 1000,
        width: int = 0,
        tokenizer: str = "var-vq16",
        tokenizer_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(tokenizer, tokenizer_options, classes, known_classes)
        width = width or 64 * depth
        lengths = torch.tensor([side * side for side in scales])
        self.word_embed = nn.Linear(code_channels, width)
        self.class_emb = nn.Embedding(known_classes + 1, width)
        self.pos_start = nn.Parameter(torch.randn(1, int(lengths[0]), width) / width**0.5)
        self.pos_1LC = nn.Parameter(torch.randn(1, int(lengths.sum()), width) / width**0.5)
        self.lvl_embed = nn.Embedding(len(scales), width)
        self.blocks = nn.ModuleList(_Block(width, depth) for _ in range(depth))
        self.head_nm = _Modulated(width, 2)
        self.head = nn.Linear(width, codes)
        level = torch.repeat_interleave(torch.arange(len(scales)), lengths)
        self.register_buffer("level", level, persistent=False)
        self.register_buffer("visible", level[:, None] >= level[None], persistent=False)
        self.level: Tensor
        self.visible: Tensor

    def logits(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        coarser = cast(_CoarseToFine, self.part("tokenizer")).coarser(indices)
        if labels is None:
            labels = torch.full_like(indices[:, 0], self.known)
        condition = self.class_emb(labels)
        x = torch.cat([condition[:, None] + self.pos_start, self.word_embed(coarser)], dim=1)
        x = x + self.lvl_embed(self.level) + self.pos_1LC
        for block in self.blocks:
            x = block(x, condition, self.visible)
        scale, shift = self.head_nm(condition)
        return self.head(_normed(x) * (1 + scale) + shift)

    def load_weights(self, path: Path) -> None:
        state = read_state_dict(path)
        load_strict(self, {name: value for name, value in state.items() if name not in _DERIVED}, path)


class _Modulated(nn.Module):
    """Vectors (N, 1, width), `count` of them, that a condition (N, width) chooses."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(width, count * width))

    def forward(self, condition: Tensor) -> Sequence[Tensor]:
        return self.ada_lin(condition)[:, None].chunk(self.count, dim=2)


class _Block(_Modulated):
    """Attention and MLP, their inputs scaled and shifted, their outputs scaled, by the condition."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, 6)
        self.attn = _Attention(width, heads)
        self.ffn = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor, condition: Tensor, visible: Tensor) -> Tensor:  # type: ignore[override]
        gain_a, gain_f, scale_a, scale_f, shift_a, shift_f = super().forward(condition)
        x = x + gain_a * self.attn(_normed(x) * (1 + scale_a) + shift_a, visible)
        hidden = self.ffn["fc1"](_normed(x) * (1 + scale_f) + shift_f)
        return x + gain_f * self.ffn["fc2"](F.gelu(hidden, approximate="tanh"))


class _Attention(nn.Module):
    """Queries and keys are compared by direction; each head learns how sharply."""

    zero_k_bias: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, heads, 1, 1), 4.0).log())
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        qkv = F.linear(x, self.mat_qkv.weight, bias).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        sharpness = self.scale_mul_1H11.exp().clamp_max(_HOTTEST)
        query, key = F.normalize(query, dim=-1) * sharpness, F.normalize(key, dim=-1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=1.0)
        return self.proj(mixed.transpose(1, 2).flatten(2))


def _normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=_EPSILON)


var_d20 = partial(VAR, depth=20)
var_d30 = partial(VAR, depth=30)
