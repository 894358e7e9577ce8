"""The VQ-VAE of "Neural Discrete Representation Learning" (arXiv 1711.00937).

Stride 4, not normalised; reads pictures in [−0.5, 0.5]. Parameter names are those of the published
RGB model of 512 codes of 128 channels.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from registry.tokenizer import Autoencoder
from registry.weights import load_strict, read_state_dict


class VQVAETokenizer(Autoencoder):
    """Two halving convolutions, one more, residual blocks, a codebook, and the way back.

    width: channels of the latent and the codes; hidden: of the residual blocks and after the first
    halving; blocks: residual blocks; codebook_size: number of codes.
    """

    value_range = (-0.5, 0.5)
    converts = (
        *(f"encoder._blocks.{layer}" for layer in ("conv_2", "conv_3", "residual")),
        *(f"decoder._blocks.{layer}" for layer in ("conv_1", "residual", "conv_t_1")),
    )

    def __init__(self, width: int = 128, hidden: int = 64, blocks: int = 2, codebook_size: int = 512) -> None:
        super().__init__()
        self.encoder = _blocks(
            conv_1=nn.Conv2d(3, hidden, 4, stride=2, padding=1),
            relu_1=nn.ReLU(),
            conv_2=nn.Conv2d(hidden, width, 4, stride=2, padding=1),
            relu_2=nn.ReLU(),
            conv_3=nn.Conv2d(width, width, 3, padding=1),
            residual=_residuals(width, hidden, blocks),
            relu_3=nn.ReLU(),
        )
        self.pre_vq_conv = nn.Conv2d(width, width, 1)
        self.vq_vae = _named("codebook", nn.Embedding(codebook_size, width))
        self.decoder = _blocks(
            conv_1=nn.Conv2d(width, width, 3, padding=1),
            residual=_residuals(width, hidden, blocks),
            relu_1=nn.ReLU(),
            conv_t_1=nn.ConvTranspose2d(width, hidden, 4, stride=2, padding=1),
            relu_2=nn.ReLU(),
            conv_t_2=nn.ConvTranspose2d(hidden, 3, 4, stride=2, padding=1),
        )

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("vq_vae.codebook.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.pre_vq_conv(self.encoder(images))

    def decode(self, vectors: Tensor) -> Tensor:
        return self.decoder(vectors)

    def load_weights(self, path: Path) -> None:
        load_strict(self, read_state_dict(path), path)


class _Residual(nn.Module):
    """The published network rectifies in place, so that its residual connection carries the rectified input."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self._block = nn.ModuleDict(
            {
                "conv_1": nn.Conv2d(width, hidden, 3, padding=1, bias=False),
                "conv_2": nn.Conv2d(hidden, width, 1, bias=False),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return x + self._block["conv_2"](F.relu(self._block["conv_1"](x)))


def _blocks(**layers: nn.Module) -> nn.Sequential:
    return _named("_blocks", nn.Sequential(OrderedDict(layers)))


def _residuals(width: int, hidden: int, blocks: int) -> nn.Sequential:
    each = {f"residual_{block}": _Residual(width, hidden) for block in range(blocks)}
    return _named("residual_blocks", nn.Sequential(OrderedDict(each)))


def _named(name: str, module: nn.Module) -> nn.Sequential:
    """A module under one more level of name."""
    return nn.Sequential(OrderedDict([(name, module)]))
