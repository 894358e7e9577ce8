"""Vector-quantising tokenizers: the encoders that detectors made for autoregressive generators read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, MutableMapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from registry.encoder import Encoder

_CPU_PIXELS = 4 * 256 * 256
_DEVICE_PIXELS = 64 * 256 * 256
_DISTANCE_ROWS = 4096

ENC_LOSS_EPSILON = 1e-10
"""Added to both errors of EncLoss, as in IAR's released code."""


class Tokenizer(Encoder):
    """A VQ model's encoder and codebook: pictures in, latents, codes and quantisation errors out.

    A subclass gives `encode` and `codebook`, and sets `l2_normalized` where latents and codes are
    compared after division by their length. One that quantises differently overrides `to_codes`.

    Outputs, for pictures (N, 3, height, width) and a grid of h × w positions:
        latent: (N, C, h, w) as the encoder gives it.
        normalized_latent: the same as it is compared with the codes (equal without normalisation).
        indices: (N, h·w) int64, the nearest code of each position, row by row; of a tokenizer of several
            scales (N, tokens), coarse to fine.
        quantized: (N, C, h, w), what the codes at those indices stand for.
        quantization_error: (N, C, h, w), quantized − normalized_latent.
    """

    outputs: tuple[str, ...] = ("latent", "normalized_latent", "indices", "quantized", "quantization_error")
    l2_normalized = False

    def __init__(self) -> None:
        super().__init__()
        self._known: MutableMapping[Tensor, dict[str, Tensor]] = WeakIdKeyDictionary()

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Continuous latents (N, C, h, w) of images (N, 3, height, width)."""

    @property
    @abstractmethod
    def codebook(self) -> Tensor:
        """All codes (K, C) as the file holds them."""

    def to_codes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (N, tokens) and what they stand for (N, C, h, w), of normalised latents (N, C, h, w)."""
        codes = self._comparable(self.codebook.float())
        indices = nearest_codes(latents.permute(0, 2, 3, 1).flatten(0, 2), codes)
        quantized = codes[indices].unflatten(0, (len(latents), *latents.shape[2:])).permute(0, 3, 1, 2)
        return indices.unflatten(0, (len(latents), -1)), quantized

    def forward(self, images: Tensor, outputs: Collection[str] = ()) -> dict[str, Tensor]:
        """The outputs that are asked for, all by default; nothing else is computed.

        What is known of a tensor of images is kept as long as the tensor: whoever asks again, a detector
        or an encoder that reads this one, pays for what is new only.
        """
        names = list(outputs) or list(self.outputs)
        known = self._known.setdefault(images, {})
        if not known.keys() >= set(names):
            starts = range(0, len(images), size := _chunk_size(images, self.at_once))
            parts = [{name: value[start : start + size] for name, value in known.items()} for start in starts]
            for start, part in zip(starts, parts, strict=True):
                self.compute(images[start : start + size], names, part)
            known.update({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
        return {name: known[name] for name in names}

    def in_parts(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        return self(images, outputs)  # which knows the tensor again, and splits it itself

    def compute(self, images: Tensor, wanted: Collection[str], found: dict[str, Tensor]) -> None:
        """Add to what was `found` of images that are encoded together, until `wanted` is among it."""
        if "latent" not in found:
            found["latent"], found["normalized_latent"] = self.encoded(images)
        if "indices" not in found and not found.keys() >= set(wanted):
            latents = found["normalized_latent"]
            # nearest codes tell apart distances that half precision cannot
            with torch.autocast(latents.device.type, enabled=False):
                found["indices"], found["quantized"] = self.to_codes(latents)
            found["quantization_error"] = found["quantized"] - latents

    def encoded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Latents as the encoder gives them and as they are compared with the codes, float32."""
        latent = self.encode(images).float()
        return latent, self._comparable(latent)

    def _comparable(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=1) if self.l2_normalized else vectors


class Autoencoder(Tokenizer):
    """A tokenizer with its decoder: pictures back from codes.

    A subclass gives `decode`, and `value_range` where pictures are not in [−1, 1]. Further outputs,
    all (N, 3, height, width) and clamped to that range:
        reconstruction: decoded from `quantized`.
        continuous_reconstruction: decoded from `normalized_latent`, without quantisation.
        second_reconstruction: `continuous_reconstruction` encoded and decoded so once more.

    And of the pictures' values, which have to be in that range:
        enc_loss: (N, 1, h, w), log of IAR's EncLoss (github.com/sprintml/DataProvenanceIAR) of each position's
            patch: log((d₁ + ε) / (d₂ + ε)), where d₁ is the mean squared error over the patch from the picture to
            `continuous_reconstruction`, d₂ that from there to `second_reconstruction`, and ε `ENC_LOSS_EPSILON`.
    """

    outputs = (
        *Tokenizer.outputs,
        "reconstruction",
        "continuous_reconstruction",
        "second_reconstruction",
        "enc_loss",
    )
    value_range = (-1.0, 1.0)

    @abstractmethod
    def decode(self, vectors: Tensor) -> Tensor:
        """Images (N, 3, height, width), not clamped, of what codes stand for (N, C, h, w)."""

    def compute(self, images: Tensor, wanted: Collection[str], found: dict[str, Tensor]) -> None:
        missing = set(wanted) - found.keys()
        if "enc_loss" in missing:
            missing |= {"continuous_reconstruction", "second_reconstruction"} - found.keys()
        if "second_reconstruction" in missing and "continuous_reconstruction" not in found:
            missing.add("continuous_reconstruction")
        codes = missing & set(Tokenizer.outputs) | ({"quantized"} if "reconstruction" in missing else set())
        super().compute(images, codes, found)
        if "reconstruction" in missing:
            found["reconstruction"] = self._decoded(found["quantized"])
        if "continuous_reconstruction" in missing:
            found["continuous_reconstruction"] = self._decoded(found["normalized_latent"])
        if "second_reconstruction" in missing:
            _, again = self.encoded(found["continuous_reconstruction"])
            found["second_reconstruction"] = self._decoded(again)
        if "enc_loss" in missing:
            first, second = found["continuous_reconstruction"], found["second_reconstruction"]
            grid = found["latent"].shape[-2:]
            once, again = _patch_errors(images.float(), first, grid), _patch_errors(first, second, grid)
            found["enc_loss"] = ((once + ENC_LOSS_EPSILON) / (again + ENC_LOSS_EPSILON)).log()

    def _decoded(self, vectors: Tensor) -> Tensor:
        return self.decode(vectors).float().clamp(*self.value_range)


def _patch_errors(before: Tensor, after: Tensor, grid: Sequence[int]) -> Tensor:
    """Mean squared errors (N, 1, h, w) between pictures (N, 3, height, width) over each patch of the grid."""
    squared = (after - before).square().mean(dim=1, keepdim=True)
    return F.adaptive_avg_pool2d(squared, (grid[0], grid[1]))


def nearest_codes(vectors: Tensor, codes: Tensor) -> Tensor:
    """Index of the code at the least Euclidean distance from each vector.

    vectors: (M, C); codes: (K, C). At most a few thousand rows of distances exist at a time.

    Returns:
        int64 (M,), the lowest index where codes tie.
    """
    squared = codes.square().sum(dim=1)
    # |v|² is the same for all codes of a vector and left out
    return torch.cat(
        [
            torch.addmm(squared, rows, codes.T, alpha=-2).argmin(dim=1)
            for rows in vectors.split(_DISTANCE_ROWS)
        ]
    )


def _chunk_size(images: Tensor, at_once: int | None) -> int:
    """Pictures to encode together: a full-size VQ encoder holds 128 channels at every input pixel."""
    pixels = _CPU_PIXELS if images.device.type == "cpu" else _DEVICE_PIXELS
    return max(1, min(pixels // (images.shape[-2] * images.shape[-1]), at_once or len(images)))
