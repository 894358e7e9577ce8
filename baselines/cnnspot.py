"""ResNet-50 with one output: the network of CNNSpot, and the classifier of FreDect and LNP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from registry.detector import Detector
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View
from registry.weights import load_strict, read_state_dict

RESNET50 = (3, 4, 6, 3)
_FIRST_STAGE = 256
"""Channels after the first stage; each further one doubles them."""


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


class CNNSpot(Detector):
    """Reads the whole picture at its own size (`original`), so batches hold pictures of one size.

    "CNN-generated images are surprisingly easy to spot… for now", CVPR 2020, arXiv 1912.11035.
    blocks: residual blocks of each stage; fewer than four numbers leave the later stages out.
    """

    def __init__(self, protocol: str = "original", blocks: Sequence[int] = RESNET50) -> None:
        super().__init__()
        self.view = view_for(protocol, View(mean=IMAGENET_MEAN, std=IMAGENET_STD))
        self.network = binary_resnet50(blocks)

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["image"]).squeeze(1)

    def load_weights(self, path: Path) -> None:
        """Load the published file, which has torchvision's names, or a checkpoint of this module."""
        load_strict(self.network, read_state_dict(path, strip=("module.", "network.")), path)
