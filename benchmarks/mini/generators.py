"""The four small generators of the benchmark, with the weights that ship."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from benchmarks.mini import packed
from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.diffusion import UNet
from benchmarks.mini.gan import ConvolutionalGenerator
from benchmarks.mini.next_scale import ScaleGenerator
from benchmarks.mini.photos import SOURCES
from benchmarks.mini.tokenizer import Tokenizer

WEIGHTS = Path(__file__).parent / "weights"


class Samples(Protocol):
    """What makes pictures: one per class, randomness from `generator` alone."""

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""


@dataclass(frozen=True)
class Assembly:
    """How one generator is put together.

    parts: weights file → attribute that it fills, `""` for the whole network.
    dtype: what it samples in. In double precision the order in which a processor adds up does not
        reach a picture: a token would have to be drawn within 1e-12 of the border of another. The
        diffusion model has no tokens to flip, and takes the faster single precision.
    """

    build: Callable[[int], nn.Module]
    parts: dict[str, str]
    dtype: torch.dtype = torch.float64


_ASSEMBLIES = {
    "raster": Assembly(RasterGenerator, {"tokenizer": "tokenizer", "raster": "transformer"}),
    "next_scale": Assembly(
        ScaleGenerator, {"multiscale_tokenizer": "tokenizer", "next_scale": "transformer"}
    ),
    "gan": Assembly(ConvolutionalGenerator, {"gan": ""}),
    "diffusion": Assembly(UNet, {"diffusion": ""}, torch.float32),
}


def load_generator(name: str, weights: Path = WEIGHTS) -> Samples:
    """A generator with its shipped weights, ready to sample.

    Raises:
        WeightsError: a file is missing or does not fit.
    """
    assembly = _ASSEMBLIES[name]
    network = assembly.build(len(SOURCES))
    for file, attribute in assembly.parts.items():
        packed.load(weights / f"{file}.safetensors", network.get_submodule(attribute))
    return cast(Samples, network.to(assembly.dtype).eval().requires_grad_(False))


def load_tokenizer(weights: Path = WEIGHTS) -> Tokenizer:
    """The tokenizer of the first generator, in float32.

    Raises:
        WeightsError: the file is missing or does not fit.
    """
    tokenizer = Tokenizer()
    packed.load(weights / "tokenizer.safetensors", tokenizer)
    return tokenizer.eval().requires_grad_(False)
