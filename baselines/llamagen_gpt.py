"""LlamaGen's class-conditional transformer (arXiv 2406.06525, github.com/FoundationVision/LlamaGen).

Parameter names are those of the published `c2i_B_256.pt`, `c2i_L_256.pt` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.likelihood import TokenLikelihood
from registry.weights import load_strict, read_state_dict

_MULTIPLE = 256
_ROTARY_BASE = 10000.0


class LlamaGenGPT(TokenLikelihood):
    """Reads tokens row by row after one token that stands for the class; GPT-B by default.

    width, depth, heads: of the transformer (L: 1024, 24, 16). tokens: of a picture, a square grid.
    codes: of the tokenizer. known_classes: that it was trained on; one more stands for none.
    """

    def __init__(
        self,
        classes: Sequence[int] = tuple(range(1000)),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        tokens: int = 256,
        codes: int = 16384,
        known_classes: int = 1000,
        tokenizer: str = "llamagen-vq16",
        tokenizer_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(tokenizer, tokenizer_options, classes, known_classes)
        table = nn.Embedding(known_classes + 1, width)
        self.cls_embedding = nn.ModuleDict({"embedding_table": table})
        self.tok_embeddings = nn.Embedding(codes, width)
        self.layers = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = _RMSNorm(width)
        self.output = nn.Linear(width, codes, bias=False)
        self.register_buffer("rotation", _rotation(tokens, width // heads), persistent=False)
        self.rotation: Tensor

    def logits(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        if labels is None:
            labels = torch.full_like(indices[:, 0], self.known)
        condition = self.cls_embedding["embedding_table"](labels)
        x = torch.cat([condition[:, None], self.tok_embeddings(indices[:, :-1])], dim=1)
        for layer in self.layers:
            x = layer(x, self.rotation)
        return self.output(self.norm(x))

    def load_weights(self, path: Path) -> None:
        """Load a published file, plain (`model`) or of DeepSpeed (`module`)."""
        load_strict(self, read_state_dict(path, keys=("model", "module", "state_dict")), path)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = _RMSNorm(width)
        self.attention = _Attention(width, heads)
        self.ffn_norm = _RMSNorm(width)
        self.feed_forward = _SwiGLU(width)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation)
        return x + self.feed_forward(self.ffn_norm(x))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.wqkv = nn.Linear(width, 3 * width, bias=False)
        self.wo = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        # (N, length, 3·width) -> three of (N, heads, length, width of a head)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.wqkv(x).chunk(3, dim=2)
        )
        mixed = F.scaled_dot_product_attention(
            _rotated(query, rotation), _rotated(key, rotation), value, is_causal=True
        )
        return self.wo(mixed.transpose(1, 2).flatten(2))


class _SwiGLU(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = -(-(8 * width // 3) // _MULTIPLE) * _MULTIPLE
        self.w1 = nn.Linear(width, hidden, bias=False)
        self.w3 = nn.Linear(width, hidden, bias=False)
        self.w2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class _RMSNorm(nn.RMSNorm):
    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-5)


def _rotation(tokens: int, width: int) -> Tensor:
    """Factors (tokens, width / 2) complex: of the class token, then of all positions but the last.

    Half of a head turns with the row, half with the column. The class token's factor is 0, as published:
    its key and query vanish.
    """
    side = round(tokens**0.5)
    half = width // 2
    frequencies = 1.0 / _ROTARY_BASE ** (torch.arange(0, half, 2)[: half // 2].float() / half)
    angles = torch.outer(torch.arange(side).float(), frequencies)
    grid = torch.cat(
        [angles[:, None].expand(-1, side, -1), angles[None].expand(side, -1, -1)], dim=2
    ).flatten(0, 1)
    turning = torch.polar(torch.ones_like(grid), grid)
    return torch.cat([torch.zeros_like(turning[:1]), turning[:-1]])


def _rotated(vectors: Tensor, rotation: Tensor) -> Tensor:
    """Neighbouring channels of (N, heads, length, width) turned as complex numbers."""
    pairs = torch.view_as_complex(vectors.float().unflatten(3, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * rotation).flatten(3).type_as(vectors)


llamagen_gpt_l = partial(LlamaGenGPT, width=1024, depth=24, heads=16)
