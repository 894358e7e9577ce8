"""CNNSpot: ResNet-50 on the picture.

"CNN-generated images are surprisingly easy to spot… for now", CVPR 2020, arXiv 1912.11035.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from baselines.imagenet import load_imagenet
from baselines.network import RESNET50, NetworkDetector, binary_resnet50
from registry.protocol import published_input, view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View


class CNNSpot(NetworkDetector):
    """Reads the whole picture at its own size (`original`), so batches hold pictures of one size.

    blocks: residual blocks of each stage; fewer than four numbers leave the later stages out. input: whose published
        figures are to be compared with: its own (`ForenSynths`), or those of `AIGCDetectBenchmark`, which reads a
        square of 224 pixels at short side 256.
    """

    def __init__(
        self, protocol: str = "original", blocks: Sequence[int] = RESNET50, input: str = "ForenSynths"
    ) -> None:
        whole = View(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        offered = {"ForenSynths": whole, "AIGCDetectBenchmark": replace(whole, resize=256, crop=224)}
        original = published_input("cnnspot", protocol, input, offered)
        super().__init__(view_for(protocol, original), binary_resnet50(blocks))

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.network, path)
