"""Provenance of autoregressive pictures: how well a generator's own tokenizer knows the picture.

"Data Provenance for Image Auto-Regressive Generation"; github.com/sprintml/DataProvenanceIAR. Nothing is
trained. Each distance is a mean squared error over one picture:

    QuantLoss = d(latent, its codes)
    EncLoss   = (d(first, picture) + ε) / (d(second, first) + ε)

`first` is the picture encoded and decoded without quantisation, `second` the same of `first`. Combined
is their product. All are *lower* for pictures of the tokenizer's own generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from registry.detector import Detector
from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.tokenizer import ENC_LOSS_EPSILON
from registry.view import EncoderSpec, Feature, View

SCORES = ("enc", "quant", "combined")
RANGES = {
    # mean and standard deviation of the view
    "minus_one_one": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "minus_half_half": ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "zero_one": (None, None),
}


class IAR(Detector):
    """The logit is −log of a loss, so that higher means more likely made by the tokenizer's generator.

    The logarithm changes no ranking and turns the product into a sum. For EncLoss, sigmoid(logit) is the
    second error's share of both. No threshold is published: calibrate one, or read ranking metrics.

    score: `enc`, `quant` or `combined`.
    tokenizer, tokenizer_options: a registered `registry.tokenizer.Autoencoder`, and its options; for
        `quant` any `registry.tokenizer.Tokenizer`.
    tokenizer_range: what 8-bit levels become for it: `minus_one_one`, `minus_half_half` or `zero_one`.
    size: short side and crop, in pixels; LlamaGen's pictures have 384.
    """

    def __init__(
        self,
        protocol: str = "original",
        score: str = "enc",
        tokenizer: str = "llamagen-vq16",
        tokenizer_options: Mapping[str, Any] | None = None,
        tokenizer_range: str = "minus_one_one",
        size: int = 384,
    ) -> None:
        super().__init__()
        for name, value, allowed in (("score", score, SCORES), ("tokenizer_range", tokenizer_range, RANGES)):
            if value not in allowed:
                raise UserError(
                    f"iar: {name} {value!r} is not known{nearest(value, allowed)} (known: {', '.join(allowed)})"
                )
        self.score = score
        mean, std = RANGES[tokenizer_range]
        view = view_for(protocol, View(resize=size, crop=size, mean=mean, std=std), crop=min(size, 256))
        encoder = EncoderSpec.of(tokenizer, tokenizer_options)
        self._inputs: dict[str, View | Feature] = {}
        if score != "quant":
            self._inputs["picture"] = view
            self._inputs["first"] = Feature(encoder, view, "continuous_reconstruction")
            self._inputs["second"] = Feature(encoder, view, "second_reconstruction")
        if score != "enc":
            self._inputs["error"] = Feature(encoder, view, "quantization_error")

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return self._inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        loss = torch.ones((), device=next(iter(inputs.values())).device)
        if self.score != "quant":
            loss = loss * enc_loss(inputs["picture"], inputs["first"], inputs["second"])
        if self.score != "enc":
            loss = loss * quant_loss(inputs["error"])
        return -loss.clamp_min(ENC_LOSS_EPSILON).log()


def quant_loss(error: Tensor) -> Tensor:
    """QuantLoss (N,) of quantisation errors (N, C, h, w)."""
    return error.float().square().flatten(1).mean(1)


def enc_loss(picture: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """EncLoss (N,) of pictures, their reconstructions and those of the reconstructions, (N, 3, height, width)."""
    once, again = (quant_loss(after - before) for before, after in ((picture, first), (first, second)))
    return (once + ENC_LOSS_EPSILON) / (again + ENC_LOSS_EPSILON)


iar_quant = partial(IAR, score="quant")
iar_combined = partial(IAR, score="combined")
