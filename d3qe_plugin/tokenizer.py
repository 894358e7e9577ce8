"""What D³QE needs of a frozen vector-quantising tokenizer, whichever it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from registry.encoder import Encoder

_CPU_PIXELS = 4 * 256 * 256
_DEVICE_PIXELS = 64 * 256 * 256
_DISTANCE_ROWS = 4096


class Tokenizer(Encoder):
    """A VQ model's encoder and codebook: pictures in, latents, codes and quantisation errors out.

    A subclass gives `encode` and `codebook`, and sets `l2_normalized` where latents and codes are
    compared after division by their length.

    Outputs, for pictures (N, 3, height, width) and a grid of h × w positions:
        latent: (N, C, h, w) as the encoder gives it.
        normalized_latent: the same as it is compared with the codes (equal without normalisation).
        indices: (N, h·w) int64, the nearest code of each position, row by row.
        quantized: (N, C, h, w), the codes at those indices.
        quantization_error: (N, C, h, w), quantized − normalized_latent.
    """

    outputs = ("latent", "normalized_latent", "indices", "quantized", "quantization_error")
    l2_normalized = False

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Continuous latents (N, C, h, w) of images (N, 3, height, width)."""

    @property
    @abstractmethod
    def codebook(self) -> Tensor:
        """All codes (K, C) as the file holds them."""

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        codes = self._comparable(self.codebook.float(), dim=1)
        parts = [self._quantize(self.encode(chunk), codes) for chunk in images.split(_chunk_size(images))]
        return {name: torch.cat([part[name] for part in parts]) for name in outputs}

    def _quantize(self, latent: Tensor, codes: Tensor) -> dict[str, Tensor]:
        # nearest codes tell apart distances that half precision cannot
        with torch.autocast(latent.device.type, enabled=False):
            latent = latent.float()
            normalized = self._comparable(latent, dim=1)
            indices = nearest_codes(normalized.permute(0, 2, 3, 1).flatten(0, 2), codes)
            quantized = codes[indices].unflatten(0, (len(latent), *latent.shape[2:])).permute(0, 3, 1, 2)
        return {
            "latent": latent,
            "normalized_latent": normalized,
            "indices": indices.unflatten(0, (len(latent), -1)),
            "quantized": quantized,
            "quantization_error": quantized - normalized,
        }

    def _comparable(self, vectors: Tensor, dim: int) -> Tensor:
        return F.normalize(vectors, dim=dim) if self.l2_normalized else vectors


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


def _chunk_size(images: Tensor) -> int:
    """Pictures to encode together: a full-size VQ encoder holds 128 channels at every input pixel."""
    pixels = _CPU_PIXELS if images.device.type == "cpu" else _DEVICE_PIXELS
    return max(1, pixels // (images.shape[-2] * images.shape[-1]))
