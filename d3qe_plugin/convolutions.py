"""The convolutional autoencoder of VQGAN's line (arXiv 2012.09841), which LlamaGen and VAR build theirs on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from registry.tokenizer import Autoencoder


@dataclass(frozen=True)
class Names:
    """What differs between published files: what the parts are called, and the layout of attention.

    down, up: the encoder's and decoder's levels; block: residual blocks of a level; middle: the three parts
    between. deepest_first: whether the decoder's levels are numbered in the order in which they run.
    """

    down: str
    up: str
    block: str
    middle: tuple[str, str, str]
    deepest_first: bool
    attention: Callable[[int, int], nn.Module]


class ConvolutionalEncoder(nn.Module):
    """Pictures (N, 3, height, width) to (N, z_channels, h, w), halved once between neighbouring levels.

    channels: of each level, from full resolution down. blocks: residual blocks of each. groups: of every
    group normalisation.
    """

    def __init__(self, channels: list[int], blocks: int, groups: int, z_channels: int, names: Names) -> None:
        super().__init__()
        self.names = names
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        levels = nn.ModuleList()
        for level, (before, after) in enumerate(zip([channels[0], *channels], channels, strict=False)):
            deepest = level == len(channels) - 1
            levels.append(
                _Level(before, after, blocks, groups, names, deepest, None if deepest else _Halve(after))
            )
        self.add_module(names.down, levels)
        self.mid = _middle(channels[-1], groups, names)
        self.norm_out = _norm(groups, channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.get_submodule(self.names.down).children():
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x)), inplace=True))


class Decoder(nn.Module):
    """The encoder mirrored, with one residual block more at each level."""

    def __init__(self, channels: list[int], blocks: int, groups: int, z_channels: int, names: Names) -> None:
        super().__init__()
        self.names = names
        upwards = channels[::-1]
        self.conv_in = nn.Conv2d(z_channels, upwards[0], 3, padding=1)
        self.mid = _middle(upwards[0], groups, names)
        levels = []
        for level, (before, after) in enumerate(zip([upwards[0], *upwards], upwards, strict=False)):
            resample = None if level == len(channels) - 1 else _Double(after)
            levels.append(_Level(before, after, blocks + 1, groups, names, level == 0, resample))
        self.add_module(names.up, nn.ModuleList(levels if names.deepest_first else levels[::-1]))
        self.norm_out = _norm(groups, upwards[-1])
        self.conv_out = nn.Conv2d(upwards[-1], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        levels = list(self.get_submodule(self.names.up).children())
        for level in levels if self.names.deepest_first else levels[::-1]:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))


def _middle(channels: int, groups: int, names: Names) -> nn.Sequential:
    parts = (
        _Residual(channels, channels, groups),
        names.attention(channels, groups),
        _Residual(channels, channels, groups),
    )
    return nn.Sequential(OrderedDict(zip(names.middle, parts, strict=True)))


class ConvAutoencoder(Autoencoder):
    """A tokenizer of such an encoder and decoder, with a convolution on either side of the codebook."""

    channels_last = True

    @property
    def converts(self) -> tuple[str, ...]:  # type: ignore[override]
        """The levels and the middle of the encoder and the decoder, without the first and the last convolution of each."""
        encoder = self.get_submodule("encoder")
        names = cast(Names, encoder.names)
        levels = range(len(list(encoder.get_submodule(names.down).children())))
        return (
            *(f"encoder.{names.down}.{level}" for level in levels),
            "encoder.mid",
            "decoder.mid",
            *(f"decoder.{names.up}.{level}" for level in levels),
        )

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("quantize.embedding.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.get_submodule("quant_conv")(self.get_submodule("encoder")(images))

    def decode(self, vectors: Tensor) -> Tensor:
        return self.get_submodule("decoder")(self.get_submodule("post_quant_conv")(vectors))


class _Level(nn.Module):
    """Residual blocks at one resolution, at the deepest one each followed by attention; then another resolution."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        blocks: int,
        groups: int,
        names: Names,
        deepest: bool,
        resample: _Halve | _Double | None,
    ) -> None:
        super().__init__()
        self.names = names
        self.add_module(
            names.block,
            nn.ModuleList(
                _Residual(in_channels if block == 0 else channels, channels, groups)
                for block in range(blocks)
            ),
        )
        self.attn = nn.ModuleList(names.attention(channels, groups) for _ in range(blocks if deepest else 0))
        self.resample = "" if resample is None else resample.name
        if resample is not None:
            self.add_module(resample.name, resample)

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.get_submodule(self.names.block).children()):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
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
        residual = self.conv1(F.silu(self.norm1(x), inplace=True))
        residual = self.conv2(F.silu(self.norm2(residual), inplace=True))
        return self.nin_shortcut(x) + residual


class Attention(nn.Module):
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
        return x + self.proj_out(_attended(self.q(normed), self.k(normed), self.v(normed)))


class MergedAttention(nn.Module):
    """The same, its three projections stored as one."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm(x)).chunk(3, dim=1)
        return x + self.proj_out(_attended(query, key, value))


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # (N, C, h, w) -> (N, h·w, C)
    query_, key_, value_ = (part.flatten(2).transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(query_, key_, value_).transpose(1, 2).unflatten(2, query.shape[2:])


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
