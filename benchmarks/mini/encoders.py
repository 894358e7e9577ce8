"""The frozen networks of the mini detectors, as registered encoders: the tokenizers and the image encoder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from benchmarks.mini import packed
from benchmarks.mini.bitwise_tokenizer import BitwiseTokenizer
from benchmarks.mini.image_encoder import STAGES, ImageEncoder
from benchmarks.mini.masked_tokenizer import MaskedTokenizer
from benchmarks.mini.multiscale import MultiScaleTokenizer
from benchmarks.mini.tokenizer import Tokenizer
from registry.encoder import Encoder
from registry.tokenizer import Autoencoder


class MiniTokenizer(Autoencoder):
    """The first generator's tokenizer. Reads pictures in [-1, 1] (N, 3, 64, 64); latents have length 1."""

    # the first convolution sees the last bit of a pixel, which half precision rounds off; the last one gives the values
    converts = (
        *(f"network.encoder.{layer}" for layer in range(2, 6)),
        *(f"network.decoder.{layer}" for layer in range(1, 7)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.network = Tokenizer()

    @property
    def codebook(self) -> Tensor:
        return self.network.codebook.vectors

    def encode(self, images: Tensor) -> Tensor:
        return self.network.encode(images)

    def to_codes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        quantized = self.network.quantize(latents)
        return quantized.indices, quantized.vectors

    def decode(self, vectors: Tensor) -> Tensor:
        return self.network.decoder(vectors)

    def load_weights(self, path: Path) -> None:
        packed.load(path, self.network)


class MiniScaleTokenizer(MiniTokenizer):
    """The second generator's tokenizer, of 341 tokens on five scales; latents keep their length."""

    def __init__(self) -> None:
        super().__init__()
        self.network = MultiScaleTokenizer()


class MiniMaskedTokenizer(MiniTokenizer):
    """The tokenizer of the generator `masked`, of 1,024 codes; latents have length 1."""

    converts = (
        *(f"network.encoder.{layer}" for layer in range(2, 5)),
        *(f"network.decoder.{layer}" for layer in range(1, 7)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.network = MaskedTokenizer()


class MiniBitwiseTokenizer(MiniTokenizer):
    """The tokenizer of the generator `bitwise`, of 413 tokens of 12 bits on six scales; latents keep their length."""

    def __init__(self) -> None:
        super().__init__()
        self.network = BitwiseTokenizer()


class MiniImageEncoder(Encoder):
    """The image encoder. Reads pictures (N, 3, height, width) normalised by CLIP's mean and deviation.

    Outputs: feature (N, 608).
    """

    outputs = ("feature",)
    # the first stage sees the last bit of a pixel, which half precision rounds off
    converts = tuple(f"network.stages.{stage}" for stage in range(1, STAGES))

    def __init__(self) -> None:
        super().__init__()
        self.network = ImageEncoder()

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        return {"feature": self.network(images)}

    def load_weights(self, path: Path) -> None:
        packed.load(path, self.network)
