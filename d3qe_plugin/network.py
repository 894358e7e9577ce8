"""The D³QE detector (ICCV 2025, arXiv 2510.05891): everything of it that is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from d3qe_plugin import checkpoint
from d3qe_plugin.d3at import D3AT
from d3qe_plugin.options import Options
from d3qe_plugin.statistics import DELTA_FORMS, count_codes
from registry.detector import Detector
from registry.errors import UserError
from registry.view import Feature, View

WARM_UP = 200
"""Updates of the code statistics before ΔD is used."""


class D3QE(Detector):
    """Quantisation error of a frozen tokenizer through D³AT, fused with a frozen CLIP feature.

    Takes the fields of `d3qe_plugin.options.Options` as keywords. With the defaults it is the
    released network, and its state is that of the released checkpoint, plus `update_count`.
    """

    real_codebook_count: Tensor
    fake_codebook_count: Tensor
    update_count: Tensor

    def __init__(self, protocol: str = "original", **options: Any) -> None:
        super().__init__()
        self.options = Options.parse({"protocol": protocol, **options})
        self._inputs = self.options.inputs()
        self._further_maps = self.options.further_maps()
        fused = min(256, self.options.width)
        branches = 0
        if self.options.use_tokenizer:
            self._build_tokenizer_branch(fused)
            branches += 1
        if self.options.use_clip:
            self.clip_proj = nn.Sequential(
                nn.Linear(self.options.clip_features, fused), nn.ReLU(), nn.Dropout(0.1)
            )
            branches += 1
        self.fc = nn.Sequential(
            nn.BatchNorm1d(branches * fused),
            nn.Linear(branches * fused, 128),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(128, 1),
        )
        self.apply(_initialise)

    def _build_tokenizer_branch(self, fused: int) -> None:
        options, width = self.options, self.options.width
        for name in ("real_codebook_count", "fake_codebook_count"):
            self.register_buffer(name, torch.zeros(options.codebook_size))
        self.register_buffer("update_count", torch.zeros((), dtype=torch.int64))
        if options.token_features == "codes":
            self.code_embedding = nn.Embedding(options.codebook_size, options.latent_channels)
        height, columns = options.grid
        self.feature_processor = nn.Sequential(
            nn.Conv2d(options.latent_channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            D3AT(width, options.heads, options.depth, height * columns, biased=options.attention == "d3at"),
        )
        self.feature_pooler = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mixed_proj = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, fused), nn.ReLU(), nn.Dropout(0.1)
        )
        # each map has a stem of its own, whose normalisation brings maps of any scale to that of the first one
        self.further_stems = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width))
                for name, channels in self._further_maps.items()
            }
        )

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return self._inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        branches = []
        if self.options.use_tokenizer:
            branches.append(self.mixed_proj(self.feature_pooler(self.attended(inputs))))
        if self.options.use_clip:
            branches.append(self.clip_proj(self._read(inputs, "clip", (self.options.clip_features,))))
        return self.fc(torch.cat(branches, dim=1)).squeeze(1)

    def stem(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Features (N, width, h, w) before D³AT."""
        if self.options.token_features == "codes":
            tokens = self.code_embedding(inputs["indices"]).transpose(1, 2).unflatten(2, self.options.grid)
        else:
            tokens = self._read(inputs, "tokens", (self.options.latent_channels, *self.options.grid))
        convolution, norm, rectify = self.feature_processor[:3]
        features = norm(convolution(tokens))
        for name, stem in self.further_stems.items():
            shape = (self._further_maps[name], *self.options.grid)
            features = features + stem(self._read(inputs, name, shape))
        return rectify(features)

    def attended(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Features (N, width, h, w) after D³AT."""
        indices = inputs["indices"]
        height, width = self.options.grid
        if indices.shape[1] != height * width:
            raise UserError(
                f"d3qe: the tokenizer gives {indices.shape[1]} positions per picture, the option grid has "
                f"{height} × {width}: set grid or size"
            )
        delta = self.delta()[indices] if self.options.attention == "d3at" else None
        return self.feature_processor[3](self.stem(inputs), delta)

    def _read(self, inputs: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
        """An input (N, *shape), or a refusal that names the encoder and the options that say otherwise."""
        value = inputs[name]
        if value.shape[1:] != shape:
            source = self._inputs[name]
            encoder = source.encoder.variant if isinstance(source, Feature) else name
            options = "clip_features" if name == "clip" else "latent_channels, grid or size"
            raise UserError(
                f"d3qe: {encoder} gives {_times(value.shape[1:])} per picture as {name}, the options say "
                f"{_times(shape)}: set {options}"
            )
        return value

    def delta(self) -> Tensor:
        """ΔD of every code (codebook_size,) as the mode and the updates seen so far have it."""
        difference = DELTA_FORMS[self.options.delta_form](self.real_codebook_count, self.fake_codebook_count)
        if self.options.delta_mode == "released":
            # a product, not a branch: nothing waits for the device
            return difference * (self.update_count >= WARM_UP)
        return difference if self.options.delta_mode == "paper" else torch.zeros_like(difference)

    @torch.no_grad()
    def after_step(self, inputs: Mapping[str, Tensor], labels: Tensor) -> None:
        """Count the codes of a training batch, after its forward pass. labels: (N,), 0 real, 1 generated."""
        if not self.options.use_tokenizer:
            return
        real, fake = count_codes(inputs["indices"], labels, self.options.codebook_size)
        self.real_codebook_count += real
        self.fake_codebook_count += fake
        self.update_count += 1

    def load_weights(self, path: Path) -> None:
        """Load the released layout, or a file of `save_weights`; see `d3qe_plugin.checkpoint`."""
        checkpoint.load(self, path)

    def save_weights(self, path: Path) -> None:
        """Write the state, code counts and update counter included; see `d3qe_plugin.checkpoint`."""
        checkpoint.save(self, path)


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _initialise(module: nn.Module) -> None:
    """As the released code: He initialisation by fan-out, biases 0; norms and embeddings keep theirs."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
