"""What can be chosen about D³QE, checked before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.view import CLIP_MEAN, CLIP_STD, EncoderSpec, Feature, View

Triple = tuple[float, float, float]

_HALF, _ONE = (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
_RANGES: dict[str, tuple[Triple | None, Triple | None]] = {
    # mean and standard deviation of the tokenizer's view
    "zero_one": (None, None),
    "minus_one_one": (_HALF, _HALF),
    "minus_half_half": (_HALF, _ONE),
}
_CHOICES = {
    "delta_mode": ("released", "paper", "off"),
    "delta_form": ("raw", "times_codes", "log_ratio", "standardised"),
    "tokenizer_range": tuple(_RANGES),
    "token_features": ("quantization_error", "latent", "quantized", "codes"),
    "attention": ("d3at", "plain"),
}


@dataclass(frozen=True)
class Options:
    """D³QE's options; the defaults are the released network at the released input.

    protocol: both protocols are the same for D³QE: short side and crop `size`.
    delta_mode: `released` uses ΔD from the 200th update of the statistics on, as the released code
        does. Its checkpoint does not hold the number of updates, so ΔD is 0 after loading it: that
        is what the published figures were measured with. Checkpoints of this project hold it.
        `paper` always uses ΔD from the counts; `off` takes it as 0.
    delta_form: ΔD as the difference of probabilities (`raw`), of probabilities × number of codes, of
        smoothed log-probabilities, or in units of its standard deviation over the codebook.
    tokenizer_range: what 8-bit levels become for the tokenizer. Published weights need `zero_one`;
        LlamaGen's tokenizer itself was trained on `minus_one_one`; VQ-VAE on `minus_half_half`.
    token_features: what the trained branch reads at each position: the quantisation error, the
        latent before quantisation (normalised as it is compared), the code's vector, or a learned
        embedding of the code's index.
    attention: `d3at`, biased by ΔD, or a `plain` transformer.
    use_tokenizer, use_clip: whether each branch exists.
    width, heads, depth: of the transformer.
    tokenizer, tokenizer_options: a registered encoder with the outputs of
        `registry.tokenizer.Tokenizer`, and its constructor's options.
    codebook_size, latent_channels, grid: the tokenizer's codes, their length, and positions (rows,
        columns; one number for a square) of a picture of `size` pixels.
    size: short side and crop for the tokenizer, in pixels; clip_size: crop for CLIP.
    clip, clip_options, clip_features: a registered encoder with an output `feature` of that length.
    """

    protocol: str = "original"
    delta_mode: str = "released"
    delta_form: str = "raw"
    tokenizer_range: str = "zero_one"
    token_features: str = "quantization_error"
    attention: str = "d3at"
    use_tokenizer: bool = True
    use_clip: bool = True
    width: int = 512
    heads: int = 8
    depth: int = 2
    tokenizer: str = "llamagen-vq16"
    tokenizer_options: Mapping[str, Any] = field(default_factory=dict)
    codebook_size: int = 16384
    latent_channels: int = 8
    grid: tuple[int, int] = (16, 16)
    size: int = 256
    clip: str = "clip-vit-l-14/openai"
    clip_options: Mapping[str, Any] = field(default_factory=dict)
    clip_features: int = 768
    clip_size: int = 224

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Options:
        """Options from keywords.

        Raises:
            UserError: unknown name or value, heads that do not divide the width, or nothing to read.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise UserError(
                    f"d3qe has no option {name!r}{nearest(name, known)} (known: {', '.join(known)})"
                )
        values = dict(given)
        grid = values.get("grid", cls.grid)
        values["grid"] = (grid, grid) if isinstance(grid, int) else tuple(grid)
        return cls(**values)

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(
                    f"d3qe: {name} {value!r} is not known{nearest(str(value), allowed)} (known: {', '.join(allowed)})"
                )
        if self.width % self.heads:
            raise UserError(f"d3qe: width {self.width} cannot be divided among {self.heads} heads")
        if not (self.use_tokenizer or self.use_clip):
            raise UserError("d3qe: use_tokenizer and use_clip are both off, so there is nothing to read")

    def inputs(self) -> dict[str, View | Feature]:
        """The encoder features that the network reads."""
        found: dict[str, View | Feature] = {}
        if self.use_tokenizer:
            view = self._view(self.size, *_RANGES[self.tokenizer_range])
            encoder = EncoderSpec.of(self.tokenizer, self.tokenizer_options)
            found["indices"] = Feature(encoder, view, "indices")
            if self.token_features != "codes":
                output = "normalized_latent" if self.token_features == "latent" else self.token_features
                found["tokens"] = Feature(encoder, view, output)
        if self.use_clip:
            view = self._view(self.clip_size, CLIP_MEAN, CLIP_STD)
            found["clip"] = Feature(EncoderSpec.of(self.clip, self.clip_options), view, "feature")
        return found

    def _view(self, crop: int, mean: Triple | None, std: Triple | None) -> View:
        return view_for(self.protocol, View(resize=self.size, crop=crop, mean=mean, std=std), crop=crop)
