"""The transformers of the first two autoregressive generators as registered encoders: likelihoods of a picture's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import Tensor

from benchmarks.mini import packed
from benchmarks.mini.autoregressive import RasterTransformer
from benchmarks.mini.encoders import MiniScaleTokenizer
from benchmarks.mini.generators import CLASSES
from benchmarks.mini.multiscale import MultiScaleTokenizer
from benchmarks.mini.next_scale import ScaleTransformer, coarser
from registry.likelihood import TokenLikelihood

_CLASSES = tuple(range(CLASSES))


class _MiniLikelihood(TokenLikelihood):
    """The shipped transformers were never trained without a class: the mean over all classes stands for that.

    Their mixture by Bayes' rule would not do: over a whole picture it differs from the likeliest class by at
    most log 9.
    """

    transformer: RasterTransformer | ScaleTransformer

    def unconditional(self, indices: Tensor, each: Tensor | None) -> Tensor:
        return (self.given_each_class(indices) if each is None else each).mean(1)

    def load_weights(self, path: Path) -> None:
        packed.load(path, self.transformer)


class RasterLikelihood(_MiniLikelihood):
    """The first generator's transformer, over the 256 tokens of `mini-vq4`."""

    def __init__(self, classes: Sequence[int] = _CLASSES) -> None:
        super().__init__("mini-vq4", None, classes, len(_CLASSES))
        self.transformer = RasterTransformer(len(_CLASSES))

    def logits(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        return self.transformer(labels, indices)


class ScaleLikelihood(_MiniLikelihood):
    """The second generator's transformer, over the 341 tokens of `mini-msvq4`, coarse to fine."""

    def __init__(self, classes: Sequence[int] = _CLASSES) -> None:
        super().__init__("mini-msvq4", None, classes, len(_CLASSES))
        self.transformer = ScaleTransformer(len(_CLASSES))

    def logits(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        tokenizer = cast(MiniScaleTokenizer, self.part("tokenizer")).network
        return self.transformer(labels, coarser(cast(MultiScaleTokenizer, tokenizer), indices))
