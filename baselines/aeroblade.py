"""AEROBLADE on a tokenizer: how far is a picture from what the generator's tokenizer makes of it?

"AEROBLADE", CVPR 2024, arXiv 2401.17879; on tokenizers as in github.com/jonasricker/prada. The distance is
the second layer of LPIPS (arXiv 1801.03924): VGG-16's relu2_2 of both pictures, each position divided by its
length; squared differences, weighted by learned weights, averaged over positions. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.iar import RANGES
from baselines.prada_views import ADMView
from registry.detector import Detector
from registry.errors import unknown_name
from registry.protocol import view_for
from registry.view import EncoderSpec, Feature, View
from registry.weights import load_strict, read_state_dict

LINEAR = "vgg.pth"
"""LPIPS' learned weights, expected beside torchvision's VGG-16."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TO_SYMMETRIC = {"minus_one_one": (1.0, 0.0), "minus_half_half": (2.0, 0.0), "zero_one": (2.0, -1.0)}
"""Factor and offset that bring a tokenizer's range to [−1, 1]."""

_LAYERS = 9
"""Of torchvision's `features`, up to relu2_2."""


class Aeroblade(Detector):
    """The logit is the negated distance: higher means more likely made by the tokenizer's generator.

    No threshold is published: calibrate one, or read ranking metrics.

    tokenizer, tokenizer_options: a registered `registry.tokenizer.Autoencoder`, and its options.
    tokenizer_range: what 8-bit levels become for it: `minus_one_one`, `minus_half_half` or `zero_one`.
    size: side of ADM's centre crop, in pixels.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        protocol: str = "original",
        tokenizer: str = "llamagen-vq16",
        tokenizer_options: Mapping[str, Any] | None = None,
        tokenizer_range: str = "minus_one_one",
        size: int = 256,
    ) -> None:
        super().__init__()
        if tokenizer_range not in RANGES:
            raise unknown_name("aeroblade tokenizer_range", tokenizer_range, RANGES)
        self.to_symmetric = _TO_SYMMETRIC[tokenizer_range]
        mean, std = RANGES[tokenizer_range]
        original = ADMView(resize=size, crop=size, interpolation="bicubic", mean=mean, std=std)
        view = view_for(protocol, original, crop=size)
        encoder = EncoderSpec.of(tokenizer, tokenizer_options)
        self._inputs: dict[str, View | Feature] = {
            "picture": view,
            "reconstruction": Feature(encoder, view, "reconstruction"),
        }
        widths = ((3, 64), (64, 64), (64, 128), (128, 128))
        convolutions = [nn.Conv2d(before, after, 3, padding=1) for before, after in widths]
        first, second, third, fourth = convolutions
        self.features = nn.Sequential(
            first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2), third, nn.ReLU(), fourth, nn.ReLU()
        )
        self.lin1 = nn.Conv2d(128, 1, 1, bias=False)
        for name, values in (("shift", _SHIFT), ("scale", _SCALE)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return self._inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        factor, offset = self.to_symmetric
        picture, reconstruction = (inputs[name] * factor + offset for name in ("picture", "reconstruction"))
        return -self.distance(picture, reconstruction)

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """LPIPS' second layer (N,) between pictures (N, 3, height, width) in [−1, 1]."""
        difference = self._directions(first) - self._directions(second)
        return self.lin1(difference.square()).mean((1, 2, 3))

    def _directions(self, images: Tensor) -> Tensor:
        found = self.features((images - self.shift) / self.scale)
        return found / (found.square().sum(1, keepdim=True) + 1e-8).sqrt()

    def load_weights(self, path: Path) -> None:
        """Load torchvision's `vgg16-397923af.pth` with LPIPS' `vgg.pth` in the same folder, or a file of `save_weights`.

        Raises:
            WeightsError: either is missing or does not fit.
        """
        state = read_state_dict(path)
        if "lin1.weight" not in state:
            names = tuple(f"features.{layer}." for layer in range(_LAYERS))
            state = {name: value for name, value in state.items() if name.startswith(names)}
            linear = read_state_dict(Path(path).with_name(LINEAR)) if state else {}
            if "lin1.model.1.weight" in linear:
                state["lin1.weight"] = linear["lin1.model.1.weight"]
        load_strict(self, state, path)
