"""D³AT: a transformer over token positions whose attention is biased by code statistics.

D³QE, arXiv 2510.05891, section on the discrete distribution discrepancy-aware transformer;
parameter names are those of the released checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DROPOUT = 0.1
MLP_RATIO = 4


class D3AT(nn.Module):
    """Pre-norm transformer blocks over a grid of positions.

    biased: D³ASA attention, with ΔD at each position's code; `False` is a plain transformer, the
        paper's ablation.
    """

    def __init__(self, width: int, heads: int, depth: int, positions: int, *, biased: bool = True) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, positions, width))
        self.layers = nn.ModuleList(Block(width, heads, biased) for _ in range(depth))

    def forward(self, features: Tensor, delta: Tensor | None) -> Tensor:
        """features: (N, C, h, w); delta: (N, h·w) or None where not biased. Returns (N, C, h, w)."""
        tokens = features.flatten(2).transpose(1, 2) + self.pos_embed
        for layer in self.layers:
            tokens = layer(tokens, delta)
        return tokens.transpose(1, 2).reshape(features.shape)


class Block(nn.Module):
    """Attention, then an MLP, each with a residual connection.

    The logits of head h between positions i and j are q_i·k_j / √d + s · (W_q b_i)·(W_k b_j), where
    b = freq_proj(ΔD), split into heads, W_q and W_k are shared by the heads and s is learned.
    """

    def __init__(self, width: int, heads: int, biased: bool) -> None:
        super().__init__()
        self.heads = heads
        head_width = width // heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(MLP_RATIO * width, width),
            nn.Dropout(DROPOUT),
        )
        self.dropout = nn.Dropout(DROPOUT)
        if biased:
            self.freq_proj = nn.Sequential(
                nn.Linear(1, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width)
            )
            self.W_q = nn.Linear(head_width, head_width)
            self.W_k = nn.Linear(head_width, head_width)
            self.freq_scale = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor, delta: Tensor | None) -> Tensor:
        """tokens: (N, L, C); delta: (N, L) or None. Returns (N, L, C)."""
        if self.training:
            weights, values = self.attend(tokens, delta)
            mixed = self.dropout(weights) @ values
        else:
            mixed = F.scaled_dot_product_attention(*self._projected(tokens), attn_mask=self.added(delta))
        tokens = tokens + self.dropout(self.out_proj(mixed.transpose(1, 2).flatten(2)))
        return tokens + self.mlp(self.norm2(tokens))

    def attend(self, tokens: Tensor, delta: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attention weights (N, heads, L, L), rows summing to 1, and values (N, heads, L, C / heads)."""
        query, key, value = self._projected(tokens)
        logits = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        if (bias := self.added(delta)) is not None:
            logits = logits + bias
        return logits.softmax(dim=-1), value

    def _projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (N, heads, L, C / heads)."""
        query, key, value = (self._split(part) for part in self.qkv(self.norm1(tokens)).chunk(3, dim=-1))
        return query, key, value

    def added(self, delta: Tensor | None) -> Tensor | None:
        """What ΔD (N, L) adds to the logits: (N, heads, L, L)."""
        if delta is None:
            return None
        bias = self._split(self.freq_proj(delta.unsqueeze(-1)))
        return self.freq_scale * (self.W_q(bias) @ self.W_k(bias).transpose(-2, -1))

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, L, C) to (N, heads, L, C / heads)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
