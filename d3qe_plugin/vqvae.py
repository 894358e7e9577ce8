"""The VQ-VAE of "Neural Discrete Representation Learning" (arXiv 1711.00937), encoder half.

Stride 4, not normalised; reads pictures in [−0.5, 0.5]. Parameter names are those of the published
RGB model of 512 codes of 128 channels.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from d3qe_plugin.tokenizer import Tokenizer
from registry.weights import load_strict, read_state_dict


class VQVAETokenizer(Tokenizer):
    """Two halving convolutions, one more, residual blocks, and a codebook.

    width: channels of the latent and the codes; hidden: of the residual blocks and after the first
    halving; blocks: residual blocks; codebook_size: number of codes.
    """

    def __init__(self, width: int = 128, hidden: int = 64, blocks: int = 2, codebook_size: int = 512) -> None:
        super().__init__()
        residual = [(f"residual_{block}", _Residual(width, hidden)) for block in range(blocks)]
        layers: list[tuple[str, nn.Module]] = [
            ("conv_1", nn.Conv2d(3, hidden, 4, stride=2, padding=1)),
            ("relu_1", nn.ReLU()),
            ("conv_2", nn.Conv2d(hidden, width, 4, stride=2, padding=1)),
            ("relu_2", nn.ReLU()),
            ("conv_3", nn.Conv2d(width, width, 3, padding=1)),
            ("residual", _named("residual_blocks", nn.Sequential(OrderedDict(residual)))),
            ("relu_3", nn.ReLU()),
        ]
        self.encoder = _named("_blocks", nn.Sequential(OrderedDict(layers)))
        self.pre_vq_conv = nn.Conv2d(width, width, 1)
        self.vq_vae = _named("codebook", nn.Embedding(codebook_size, width))

    @property
    def codebook(self) -> Tensor:
        return self.get_parameter("vq_vae.codebook.weight")

    def encode(self, images: Tensor) -> Tensor:
        return self.pre_vq_conv(self.encoder(images))

    def load_weights(self, path: Path) -> None:
        state = {
            name: value for name, value in read_state_dict(path).items() if not name.startswith("decoder.")
        }
        load_strict(self, state, path)


class _Residual(nn.Module):
    """The published network rectifies in place, so that its shortcut carries the rectified input."""

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


def _named(name: str, module: nn.Module) -> nn.Sequential:
    """A module under one more level of name."""
    return nn.Sequential(OrderedDict([(name, module)]))
