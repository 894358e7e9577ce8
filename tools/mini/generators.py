"""The six generators, ready to make pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from benchmarks.mini import generators, packed
from benchmarks.mini.generators import CLASSES, load_next_scale, load_raster
from tools.mini.bitwise import BitwiseGenerator
from tools.mini.diffusion import UNet
from tools.mini.gan import ConvolutionalGenerator
from tools.mini.masked import MaskedGenerator

WEIGHTS = Path(__file__).parent / "weights"
"""Of the GAN, the diffusion model, and the transformers of `masked` and `bitwise`: no detector reads them, so they are
not in the package."""

_PACKAGED: dict[str, Callable[[], nn.Module]] = {"raster": load_raster, "next_scale": load_next_scale}
_OTHERS: dict[str, Callable[[int], nn.Module]] = {
    "masked": MaskedGenerator,
    "bitwise": BitwiseGenerator,
    "gan": ConvolutionalGenerator,
    "diffusion": UNet,
}


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
    if name in _PACKAGED:
        return cast(Samples, _PACKAGED[name]().double())
    network = _OTHERS[name](CLASSES)
    weights = WEIGHTS / f"{name}.safetensors"
    if isinstance(network, MaskedGenerator | BitwiseGenerator):
        packed.load(generators.WEIGHTS / f"{name}_tokenizer.safetensors", network.tokenizer)
        packed.load(weights, network.transformer)
    else:
        packed.load(weights, network)
    network = network if isinstance(network, UNet) else network.double()
    return cast(Samples, network.eval().requires_grad_(False))
