"""The shape that most baselines have: one network of one logit, on one view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from registry.detector import Detector
from registry.view import View
from registry.weights import load_strict, read_state_dict

RESNET50 = (3, 4, 6, 3)
_FIRST_STAGE = 256
"""Channels after the first stage; each further one doubles them."""


class NetworkDetector(Detector):
    """Scores `view` with `network`, whose parameter names are those of the published file.

    keys: top-level keys under which published files hold the state dict.
    """

    keys: Sequence[str] = ("model", "state_dict")

    def __init__(self, view: View, network: nn.Module) -> None:
        super().__init__()
        self.view = view
        self.network = network

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["image"]).squeeze(1)

    def load_weights(self, path: Path) -> None:
        """Load the published file, or a checkpoint of this module."""
        load_strict(self.network, self.published_state(path), path)

    def published_state(self, path: Path) -> dict[str, Tensor]:
        """The network's tensors in a file, by published name."""
        # a compiled network's names begin with _orig_mod.
        return read_state_dict(path, keys=self.keys, strip=("module.", "_orig_mod.", "network."))


def binary_resnet50(blocks: Sequence[int] = RESNET50) -> nn.Module:
    """ResNet-50 from (N, 3, height, width) to (N, 1).

    blocks: of each stage; with fewer than four numbers the later stages are left out.
    """
    left_out = range(len(blocks), len(RESNET50))
    network = ResNet(Bottleneck, [*blocks, *(1 for _ in left_out)], num_classes=1)
    for stage in left_out:
        setattr(network, f"layer{stage + 1}", nn.Identity())
    network.fc = nn.Linear(_FIRST_STAGE * 2 ** (len(blocks) - 1), 1)
    return network
