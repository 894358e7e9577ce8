"""Building blocks that the small networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainBlock(nn.Module):
    """Two 3×3 convolutions and a skip, not normalised: a tokenizer has to keep how bright a flat area is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Cache:
    """Keys and values that one attention layer has computed for the positions before the current ones.

    length: the longest sequence, reserved at the first step: growing it each step would copy it each step.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.used = 0
        self._stored: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append along the sequence and return all of it; tensors are (N, heads, positions, width)."""
        batch, heads, new, width = keys.shape
        if self._stored is None:
            self._stored = keys.new_empty(2, batch, heads, self.length, width)
        self._stored[0, :, :, self.used : self.used + new] = keys
        self._stored[1, :, :, self.used : self.used + new] = values
        self.used += new
        return self._stored[0, :, :, : self.used], self._stored[1, :, :, : self.used]


class TransformerBlock(nn.Module):
    """Pre-norm attention and MLP, as in GPT-2."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, causal: bool = False, cache: Cache | None = None
    ) -> Tensor:
        """x: (N, length, width). mask: bool (length, keys), True where a query may look."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            key, value = cache.extend(key, value)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        x = x + self.proj(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


def to_tensor(pictures: Tensor) -> Tensor:
    """uint8 (N, 64, 64, 3) to float32 (N, 3, 64, 64) in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def draw_tokens(logits: Tensor, top_k: int, generator: torch.Generator) -> Tensor:
    """Sample from the `top_k` likeliest codes: logits (..., codes) to int64 (...).

    By inverting the cumulative distribution, so that one uniform number decides one token.
    """
    best, codes = logits.topk(top_k, dim=-1)
    cumulative = best.softmax(-1).cumsum(-1)
    uniform = torch.rand(logits.shape[:-1], generator=generator, dtype=torch.float64).to(logits)
    rank = torch.searchsorted(cumulative, uniform[..., None] * cumulative[..., -1:]).clamp(max=top_k - 1)
    return codes.gather(-1, rank)[..., 0]
