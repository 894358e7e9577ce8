"""CNNSpot: ResNet-50 on the picture.

"CNN-generated images are surprisingly easy to spot… for now", CVPR 2020, arXiv 1912.11035.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baselines.imagenet import load_imagenet
from baselines.network import RESNET50, NetworkDetector, binary_resnet50
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View


class CNNSpot(NetworkDetector):
    """Reads the whole picture at its own size (`original`), so batches hold pictures of one size.

    blocks: residual blocks of each stage; fewer than four numbers leave the later stages out.
    """

    def __init__(self, protocol: str = "original", blocks: Sequence[int] = RESNET50) -> None:
        view = view_for(protocol, View(mean=IMAGENET_MEAN, std=IMAGENET_STD))
        super().__init__(view, binary_resnet50(blocks))

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.network, path)
