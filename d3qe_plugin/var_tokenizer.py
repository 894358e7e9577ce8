"""VAR's multi-scale VQ-VAE (arXiv 2404.02905, github.com/FoundationVision/VAR), stride 16.

Parameter names are those of the published `vae_ch160v4096z32.pth`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3qe_plugin.convolutions import Decoder, Encoder, MergedAttention, Names
from registry.tokenizer import Autoencoder, nearest_codes
from registry.weights import load_strict, read_state_dict

_NAMES = Names(
    "down", "up", "block", ("block_1", "attn_1", "block_2"), deepest_first=False, attention=MergedAttention
)
_UNUSED = "quantize.ema_vocab_hit_SV"


class VARTokenizer(Autoencoder):
    """Each token map, coarse to fine, quantises what the coarser ones left over; codes keep their length.

    width: channels at full resolution; multipliers: channels of each level in units of it; blocks: residual
    blocks of each level. scales: sides of the token maps; a picture has 16 times the last one's. codebook_size,
    code_channels: number of codes and their length. smoothers: convolutions that the scales share.
    """

    def __init__(
        self,
        width: int = 160,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        groups: int = 32,
        scales: Sequence[int] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
        codebook_size: int = 4096,
        code_channels: int = 32,
        smoothers: int = 4,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        channels = [width * multiplier for multiplier in multipliers]
        self.encoder = Encoder(channels, blocks, groups, code_channels, _NAMES)
        self.quant_conv = nn.Conv2d(code_channels, code_channels, 3, padding=1)
        shared = [nn.Conv2d(code_channels, code_channels, 3, padding=1) for _ in range(smoothers)]
        self.quantize = nn.ModuleDict(
            {
                "embedding": nn.Embedding(codebook_size, code_channels),
                "quant_resi": nn.ModuleDict({"qresi_ls": nn.ModuleList(shared)}),
            }
        )
        self.post_quant_conv = nn.Conv2d(code_channels, code_channels, 3, padding=1)
        self.decoder = Decoder(channels, blocks, groups, code_channels, _NAMES)

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("quantize.embedding.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(images))

    def decode(self, vectors: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(vectors))

    def to_codes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        total, found = torch.zeros_like(latents), []
        for scale, side in enumerate(self.scales):
            left = F.interpolate(latents - total, (side, side), mode="area")
            indices = nearest_codes(left.permute(0, 2, 3, 1).flatten(0, 2), self.codebook.float())
            found.append(indices.unflatten(0, (len(latents), -1)))
            total = total + self._contribution(scale, found[-1])
        return torch.cat(found, dim=1), total

    def coarser(self, indices: Tensor) -> Tensor:
        """What a transformer reads (N, tokens after the first scale, code_channels) of all tokens (N, tokens).

        For each scale but the first, the sum of the coarser ones at its resolution.
        """
        sums = zip(self._sums(indices), self.scales[1:], strict=False)
        inputs = [F.interpolate(total, (side, side), mode="area").flatten(2).mT for total, side in sums]
        return torch.cat(inputs, dim=1)

    def _sums(self, indices: Tensor) -> Iterator[Tensor]:
        total: Tensor | float = 0.0
        for scale, tokens in enumerate(indices.split([side * side for side in self.scales], dim=1)):
            total = total + self._contribution(scale, tokens)
            yield total

    def _contribution(self, scale: int, indices: Tensor) -> Tensor:
        """What the token map (N, side²) of one scale adds: (N, C, h, w)."""
        side, largest = self.scales[scale], self.scales[-1]
        vectors = self.codebook.float()[indices].mT.unflatten(2, (side, side))
        if scale < len(self.scales) - 1:
            vectors = F.interpolate(vectors, (largest, largest), mode="bicubic")
        return (vectors + self._smoother(scale)(vectors)) / 2

    def _smoother(self, scale: int) -> nn.Module:
        """The scales share a few convolutions; each takes the one whose place in coarse-to-fine is nearest."""
        shared = self.get_submodule("quantize.quant_resi.qresi_ls")
        count = len(list(shared.children()))
        margin = 1 / (3 if count == 4 else 2) / count
        places = torch.linspace(margin, 1 - margin, count, dtype=torch.float64)
        nearest = (places - scale / (len(self.scales) - 1)).abs().argmin()
        return shared.get_submodule(str(int(nearest)))

    def load_weights(self, path: Path) -> None:
        state = {name: value for name, value in read_state_dict(path).items() if name != _UNUSED}
        load_strict(self, state, path)
