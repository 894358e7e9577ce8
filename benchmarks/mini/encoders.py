"""The frozen networks of the mini detectors, as registered encoders: the tokenizer and the image encoder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from benchmarks.mini import packed
from benchmarks.mini.image_encoder import ImageEncoder
from benchmarks.mini.tokenizer import Tokenizer
from registry.encoder import Encoder


class MiniTokenizer(Encoder):
    """The first generator's tokenizer. Reads pictures in [-1, 1] (N, 3, 64, 64).

    Outputs, on a grid of 16×16 positions:
        indices: (N, 256) int64, the nearest code of each position, row by row.
        latent, normalized_latent: (N, 8, 16, 16) as the codes are compared with, of length 1.
        quantized: (N, 8, 16, 16), the codes at those indices.
        quantization_error: (N, 8, 16, 16), quantized − normalized_latent.
    """

    outputs = ("latent", "normalized_latent", "indices", "quantized", "quantization_error")

    def __init__(self) -> None:
        super().__init__()
        self.network = Tokenizer()

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        latents = self.network.encode(images)
        quantized = self.network.quantize(latents)
        computed = {
            "latent": latents,
            "normalized_latent": latents,
            "indices": quantized.indices,
            "quantized": quantized.vectors,
            "quantization_error": quantized.vectors - latents,
        }
        return {name: computed[name] for name in outputs}

    def load_weights(self, path: Path) -> None:
        packed.load(path, self.network)


class MiniImageEncoder(Encoder):
    """The image encoder. Reads pictures (N, 3, height, width) normalised by CLIP's mean and deviation.

    Outputs: feature (N, 608).
    """

    outputs = ("feature",)

    def __init__(self) -> None:
        super().__init__()
        self.network = ImageEncoder()

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        return {"feature": self.network(images)}

    def load_weights(self, path: Path) -> None:
        packed.load(path, self.network)
