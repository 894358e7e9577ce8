"""LlamaGen's VQ-16 tokenizer (arXiv 2406.06525, github.com/FoundationVision/LlamaGen).

Parameter names are those of the published `vq_ds16_c2i.pt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from d3qe_plugin.convolutions import Attention, Decoder, Encoder, Names
from registry.tokenizer import Autoencoder
from registry.weights import load_strict, read_state_dict

_NAMES = Names("conv_blocks", "conv_blocks", "res", ("0", "1", "2"), deepest_first=True, attention=Attention)
_UNUSED = "quantize.codebook_used"


class LlamaGenTokenizer(Autoencoder):
    """A convolutional encoder of stride 2^(levels − 1), an L2-normalised codebook and a mirrored decoder.

    width: channels at full resolution; multipliers: channels of each level in units of it.
    blocks: residual blocks of each level. groups: of every group normalisation.
    z_channels: channels the encoder ends in and the decoder starts from, projected to `code_channels`.
    codebook_size, code_channels: number of codes and their length.
    """

    l2_normalized = True

    def __init__(
        self,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        groups: int = 32,
        z_channels: int = 256,
        codebook_size: int = 16384,
        code_channels: int = 8,
    ) -> None:
        super().__init__()
        channels = [width * multiplier for multiplier in multipliers]
        self.encoder = Encoder(channels, blocks, groups, z_channels, _NAMES)
        self.quant_conv = nn.Conv2d(z_channels, code_channels, 1)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(codebook_size, code_channels)})
        # last, so that a seed draws the encoder as it did before there was a decoder
        self.post_quant_conv = nn.Conv2d(code_channels, z_channels, 1)
        self.decoder = Decoder(channels, blocks, groups, z_channels, _NAMES)

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("quantize.embedding.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(images))

    def decode(self, vectors: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(vectors))

    def load_weights(self, path: Path) -> None:
        state = {name: value for name, value in read_state_dict(path).items() if not name.startswith(_UNUSED)}
        load_strict(self, state, path)
