"""What can be chosen about D³QE, checked before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.view import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Feature, View

Triple = tuple[float, float, float]

_HALF, _ONE = (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
_RANGES: dict[str, tuple[Triple | None, Triple | None]] = {
    # mean and standard deviation of the tokenizer's view
    "zero_one": (None, None),
    "minus_one_one": (_HALF, _HALF),
    "minus_half_half": (_HALF, _ONE),
}
_CLIP_RANGES = {"clip": (CLIP_MEAN, CLIP_STD), "imagenet": (IMAGENET_MEAN, IMAGENET_STD), **_RANGES}
"""The same of the view of the encoder in CLIP's place."""
_CHOICES = {
    "delta_mode": ("released", "paper", "off"),
    "delta_form": ("raw", "times_codes", "log_ratio", "standardised"),
    "tokenizer_range": tuple(_RANGES),
    "enc_loss_range": tuple(_RANGES),
    "clip_range": tuple(_CLIP_RANGES),
    "token_features": ("quantization_error", "latent", "quantized", "codes"),
    "attention": ("d3at", "plain"),
}


@dataclass(frozen=True)
class FurtherTokenizer:
    """A tokenizer whose quantisation error is read beside the first one's; its grid has to be the first one's.

    tokenizer, tokenizer_options, latent_channels, tokenizer_range: as in `Options`.
    """

    tokenizer: str
    latent_channels: int
    tokenizer_options: Mapping[str, Any] = field(default_factory=dict)
    tokenizer_range: str = "minus_one_one"

    @classmethod
    def parse(cls, given: Any) -> FurtherTokenizer:
        """From a mapping, or one that was parsed already. Raises `UserError` for what it does not fit."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise UserError(
                f"d3qe: further_tokenizers takes mappings such as {{tokenizer: var-vq16, latent_channels: 32}}, got {given!r}"
            )
        _check_names(cls, given, "one of further_tokenizers")
        needed = [
            one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING
        ]
        missing = [name for name in needed if name not in given]
        if missing:
            raise UserError(f"d3qe: one of further_tokenizers lacks {' and '.join(missing)}: {dict(given)}")
        return cls(**given)

    def __post_init__(self) -> None:
        _check_choice("tokenizer_range", self.tokenizer_range, tuple(_RANGES))

    @property
    def encoder(self) -> EncoderSpec:
        """Which frozen network it is."""
        return EncoderSpec.of(self.tokenizer, self.tokenizer_options)


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
    enc_loss: whether the trained branch also reads the logarithm of EncLoss at each position, one map of every
        tokenizer: how much farther the picture is from its reconstruction without quantisation than that is
        from its own (`registry.tokenizer.Autoencoder`). Not published: a variant.
    enc_loss_range: the first tokenizer's `tokenizer_range` for EncLoss alone, which compares pictures with
        reconstructions and so needs the range that the decoder gives. Where it is not `tokenizer_range`, as with
        published weights, the tokenizer runs once for each.
    further_tokenizers: more registered tokenizers whose quantisation errors are read, a sequence of mappings
        with the fields of `FurtherTokenizer`. ΔD stays that of the first one's codes. Not published: a variant.
    attention: `d3at`, biased by ΔD, or a `plain` transformer.
    use_tokenizer, use_clip: whether each branch exists.
    width, heads, depth: of the transformer.
    tokenizer, tokenizer_options: a registered encoder with the outputs of
        `registry.tokenizer.Tokenizer`, and its constructor's options.
    codebook_size, latent_channels, grid: the tokenizer's codes, their length, and positions (rows,
        columns; one number for a square) of a picture of `size` pixels.
    size: short side and crop for the tokenizer, in pixels; clip_size: crop for CLIP.
    clip, clip_options, clip_features: a registered encoder with an output `feature` of that length, such as
        `timm` with `{model: vit_large_patch16_dinov3.lvd1689m}`.
    clip_range: what 8-bit levels become for it: CLIP's mean and standard deviation, ImageNet's (`imagenet`, DINOv3), or
        a range as for the tokenizer (`minus_one_one`, Perception Encoder).
    """

    protocol: str = "original"
    delta_mode: str = "released"
    delta_form: str = "raw"
    tokenizer_range: str = "zero_one"
    token_features: str = "quantization_error"
    enc_loss: bool = False
    enc_loss_range: str = "minus_one_one"
    further_tokenizers: Sequence[FurtherTokenizer] = ()
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
    clip_range: str = "clip"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Options:
        """Options from keywords.

        Raises:
            UserError: unknown name or value, heads that do not divide the width, or nothing to read.
        """
        _check_names(cls, given, "d3qe")
        values = dict(given)
        further = values.get("further_tokenizers") or ()
        if isinstance(further, Mapping | str):
            raise UserError(f"d3qe: further_tokenizers takes a list of mappings, got {further!r}")
        values["further_tokenizers"] = tuple(map(FurtherTokenizer.parse, further))
        grid = values.get("grid", cls.grid)
        values["grid"] = (grid, grid) if isinstance(grid, int) else tuple(grid)
        return cls(**values)

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            _check_choice(name, getattr(self, name), allowed)
        if self.width % self.heads:
            raise UserError(f"d3qe: width {self.width} cannot be divided among {self.heads} heads")
        if not (self.use_tokenizer or self.use_clip):
            raise UserError("d3qe: use_tokenizer and use_clip are both off, so there is nothing to read")
        if not self.use_tokenizer and (self.enc_loss or self.further_tokenizers):
            raise UserError(
                "d3qe: enc_loss and further_tokenizers are read by the branch that use_tokenizer turns off"
            )
        encoders = [EncoderSpec.of(self.tokenizer, self.tokenizer_options)]
        for further in self.further_tokenizers:
            if further.encoder in encoders:
                raise UserError(f"d3qe: further_tokenizers has {further.tokenizer!r}, which is read already")
            encoders.append(further.encoder)

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
            if self.enc_loss:
                view = self._view(self.size, *_RANGES[self.enc_loss_range])
                found["enc_loss"] = Feature(encoder, view, "enc_loss")
            for number, further in enumerate(self.further_tokenizers, 2):
                view = self._view(self.size, *_RANGES[further.tokenizer_range])
                found[f"tokens_{number}"] = Feature(further.encoder, view, "quantization_error")
                if self.enc_loss:
                    found[f"enc_loss_{number}"] = Feature(further.encoder, view, "enc_loss")
        if self.use_clip:
            view = self._view(self.clip_size, *_CLIP_RANGES[self.clip_range])
            found["clip"] = Feature(EncoderSpec.of(self.clip, self.clip_options), view, "feature")
        return found

    def further_maps(self) -> dict[str, int]:
        """Inputs of the trained branch besides the first tokenizer's, and the channels of each."""
        channels = {f"tokens_{n}": one.latent_channels for n, one in enumerate(self.further_tokenizers, 2)}
        return {
            name: channels.get(name, 1) for name in self.inputs() if name.startswith(("tokens_", "enc_loss"))
        }

    def _view(self, crop: int, mean: Triple | None, std: Triple | None) -> View:
        return view_for(self.protocol, View(resize=self.size, crop=crop, mean=mean, std=std), crop=crop)


def _check_names(of: type[Options] | type[FurtherTokenizer], given: Mapping[str, Any], what: str) -> None:
    known = [one.name for one in fields(of)]
    for name in given:
        if name not in known:
            raise UserError(
                f"{what} has no option {name!r}{nearest(name, known)} (known: {', '.join(known)})"
            )


def _check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(
            f"d3qe: {name} {value!r} is not known{nearest(str(value), allowed)} (known: {', '.join(allowed)})"
        )
