"""The four generators, ready to make pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from benchmarks.mini import packed
from benchmarks.mini.generators import CLASSES, load_next_scale, load_raster
from tools.mini.diffusion import UNet
from tools.mini.gan import ConvolutionalGenerator

WEIGHTS = Path(__file__).parent / "weights"
"""Of the GAN and the diffusion model: no detector reads them, so they are not in the package."""


class Samples(Protocol):
    """What makes pictures: one per class, randomness from `generator` alone."""

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures (N, 3, 64, 64) in about [-1, 1] of classes (N,)."""


def load_generator(name: str) -> Samples:
    """One generator with its weights.

    All but the diffusion model sample in double precision, where the order in which a processor adds up does
    not reach a picture: a token would have to be drawn within 1e-12 of the border of another. The diffusion
    model has no tokens to flip, and takes the faster single precision.

    Raises:
        WeightsError: a file is missing or does not fit.
    """
    network: nn.Module
    if name == "raster":
        network = load_raster().double()
    elif name == "next_scale":
        network = load_next_scale().double()
    else:
        network = {"gan": ConvolutionalGenerator, "diffusion": UNet}[name](CLASSES)
        packed.load(WEIGHTS / f"{name}.safetensors", network)
        network = network.double() if name == "gan" else network
    return cast(Samples, network.eval().requires_grad_(False))
