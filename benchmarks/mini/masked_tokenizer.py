"""MaskGIT's kind of tokenizer (arXiv 2202.04200): of more codes than the first one's, and of patches that do not
overlap."""

from __future__ import annotations

from torch import nn

from benchmarks.mini.layers import PlainBlock
from benchmarks.mini.tokenizer import Codebook, ImageDecoder, Tokenizer

CODES = 1024
CODE_WIDTH = 16


class MaskedTokenizer(Tokenizer):
    """Pictures to one code per 4×4 px cell and back. Latents and codes are (N, 16, 16, 16)."""

    def __init__(self, channels: int = 56) -> None:
        super().__init__(channels)

    def build(self, channels: int) -> None:
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 2 * channels, 1),
            PlainBlock(2 * channels),
            PlainBlock(2 * channels),
            PlainBlock(2 * channels),
            nn.Conv2d(2 * channels, CODE_WIDTH, 1),
        )
        self.codebook = Codebook(CODES, CODE_WIDTH)
        self.decoder = ImageDecoder(channels, CODE_WIDTH)
