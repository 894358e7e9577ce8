"""LlamaGen's VQ-16 tokenizer (arXiv 2406.06525, github.com/FoundationVision/LlamaGen).

Parameter names are those of the published `vq_ds16_c2i.pt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from registry.tokenizer import Autoencoder
from registry.weights import load_strict, read_state_dict

_UNUSED = "quantize.codebook_used"


class LlamaGenTokenizer(Autoencoder):
    """A convolutional encoder of stride 2^(levels − 1), an L2-normalised codebook and a mirrored decoder.

    width: channels at full resolution; multipliers: channels of each level in units of it.
    blocks: residual blocks of each level. groups: of every group normalisation.
    z_channels: channels the encoder ends in and the decoder starts from, projected to `code_channels`.
    codebook_size, code_channels: number of codes and their length.
    """

    l2_normalized = True

    def __init__(
        self,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        groups: int = 32,
        z_channels: int = 256,
        codebook_size: int = 16384,
        code_channels: int = 8,
    ) -> None:
        super().__init__()
        channels = [width * multiplier for multiplier in multipliers]
        self.encoder = _Encoder(channels, blocks, groups, z_channels)
        self.quant_conv = nn.Conv2d(z_channels, code_channels, 1)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(codebook_size, code_channels)})
        # last, so that a seed draws the encoder as it did before there was a decoder
        self.post_quant_conv = nn.Conv2d(code_channels, z_channels, 1)
        self.decoder = _Decoder(channels, blocks, groups, z_channels)

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("quantize.embedding.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(images))

    def decode(self, vectors: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(vectors))

    def load_weights(self, path: Path) -> None:
        state = {name: value for name, value in read_state_dict(path).items() if not name.startswith(_UNUSED)}
        load_strict(self, state, path)


class _Encoder(nn.Module):
    def __init__(self, channels: list[int], blocks: int, groups: int, z_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        last = len(channels) - 1
        self.conv_blocks = nn.ModuleList(
            _Level(before, after, blocks, groups, level == last, _Halve(after) if level != last else None)
            for level, (before, after) in enumerate(zip([channels[0], *channels], channels, strict=False))
        )
        self.mid = _middle(channels[-1], groups)
        self.norm_out = _norm(groups, channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.conv_blocks:
            x = level(x)
        x = self.mid(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class _Decoder(nn.Module):
    """The encoder mirrored, with one residual block more at each level."""

    def __init__(self, channels: list[int], blocks: int, groups: int, z_channels: int) -> None:
        super().__init__()
        upwards = channels[::-1]
        self.conv_in = nn.Conv2d(z_channels, upwards[0], 3, padding=1)
        self.mid = _middle(upwards[0], groups)
        last = len(channels) - 1
        self.conv_blocks = nn.ModuleList(
            _Level(before, after, blocks + 1, groups, level == 0, _Double(after) if level != last else None)
            for level, (before, after) in enumerate(zip([upwards[0], *upwards], upwards, strict=False))
        )
        self.norm_out = _norm(groups, upwards[-1])
        self.conv_out = nn.Conv2d(upwards[-1], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in self.conv_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


def _middle(channels: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        _Residual(channels, channels, groups),
        _Attention(channels, groups),
        _Residual(channels, channels, groups),
    )


class _Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where asked, then another resolution."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        blocks: int,
        groups: int,
        attend: bool,
        resample: _Halve | _Double | None,
    ) -> None:
        super().__init__()
        self.res = nn.ModuleList(
            _Residual(in_channels if block == 0 else channels, channels, groups) for block in range(blocks)
        )
        self.attn = nn.ModuleList(_Attention(channels, groups) for _ in range(blocks if attend else 0))
        self.resample = "" if resample is None else resample.name
        if resample is not None:
            self.add_module(resample.name, resample)

    def forward(self, x: Tensor) -> Tensor:
        for block, residual in enumerate(self.res):
            x = residual(x)
            if self.attn:
                x = self.attn[block](x)
        return self.get_submodule(self.resample)(x) if self.resample else x


class _Residual(nn.Module):
    def __init__(self, in_channels: int, channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.norm2 = _norm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.nin_shortcut: nn.Module = nn.Identity()
        if in_channels != channels:
            self.nin_shortcut = nn.Conv2d(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv1(F.silu(self.norm1(x)))
        residual = self.conv2(F.silu(self.norm2(residual)))
        return self.nin_shortcut(x) + residual


class _Attention(nn.Module):
    """Single-head self-attention over all positions, with a residual connection."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(groups, channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        # (N, C, h, w) -> (N, h·w, C)
        query, key, value = (layer(normed).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed.transpose(1, 2).unflatten(2, x.shape[2:]))


class _Halve(nn.Module):
    """Convolution of stride 2, padded by one pixel at the right and bottom only."""

    name = "downsample"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class _Double(nn.Module):
    """Each pixel four times, then a convolution."""

    name = "upsample"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0))


def _norm(groups: int, channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)
