"""The first two autoregressive generators with the weights that ship: tokenizers that detectors read, transformers whose
likelihoods they may."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from benchmarks.mini import packed
from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.next_scale import ScaleGenerator
from benchmarks.mini.tokenizer import Tokenizer

Network = TypeVar("Network", bound=nn.Module)

WEIGHTS = Path(__file__).parent / "weights"
CLASSES = 9
"""Photographs, which the generators are conditioned on; picture number i of a test set is of class i % 9."""


def load_raster(weights: Path = WEIGHTS) -> RasterGenerator:
    """The generator of `mini/raster`, on which detectors are trained, in float32 and frozen.

    `tokenizer.quantize(tokenizer.encode(images)).indices` are the tokens (N, 256) of pictures (N, 3, 64, 64) in
    [-1, 1], and `transformer(classes, tokens)` their logits (N, 256, codes), each given the tokens before it.

    Raises:
        WeightsError: a file is missing or does not fit.
    """
    return _loaded(RasterGenerator(CLASSES), weights, tokenizer="tokenizer", transformer="raster")


def load_next_scale(weights: Path = WEIGHTS) -> ScaleGenerator:
    """The generator of `mini/next_scale`, in float32 and frozen.

    Tokens (N, 341) as for `load_raster`; `transformer(classes, coarser(tokens))` are their logits (N, 341, codes),
    each given the coarser maps.

    Raises:
        WeightsError: a file is missing or does not fit.
    """
    return _loaded(
        ScaleGenerator(CLASSES), weights, tokenizer="multiscale_tokenizer", transformer="next_scale"
    )


def load_tokenizer(weights: Path = WEIGHTS) -> Tokenizer:
    """The tokenizer of `mini/raster`, in float32 and frozen.

    Raises:
        WeightsError: the file is missing or does not fit.
    """
    return _loaded(Tokenizer(), weights, **{"": "tokenizer"})


def _loaded(network: Network, weights: Path, **files: str) -> Network:
    """Fill each submodule (`""`: all) from the file of that name; frozen."""
    for part, file in files.items():
        packed.load(weights / f"{file}.safetensors", network.get_submodule(part))
    return network.eval().requires_grad_(False)
