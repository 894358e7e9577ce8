"""torchvision's ResNets with their ImageNet weights: frozen encoders, and what several baselines start from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from registry.encoder import Encoder
from registry.weights import load_strict, read_state_dict

_BODY = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
_CLASSIFIER = "fc."


class ImageNetResNet(Encoder):
    """ResNet-50, or of another kind (`basic`) or depth (`blocks` of each stage).

    Output `feature`: (N, 2048), or (N, 512) where `basic`, averaged over the last feature map.
    """

    outputs = ("feature",)
    converts = tuple(f"network.layer{stage}" for stage in range(1, 5))

    def __init__(self, basic: bool = False, blocks: Sequence[int] = (3, 4, 6, 3)) -> None:
        super().__init__()
        self.network = ResNet(BasicBlock if basic else Bottleneck, list(blocks))
        self.network.fc = nn.Identity()

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        return {"feature": self.network(images)}

    def load_weights(self, path: Path) -> None:
        """Load torchvision's file of the network; the classifier in it is left out."""
        load_imagenet(self.network, path)


def resnet18() -> ImageNetResNet:
    """ResNet-18."""
    return ImageNetResNet(basic=True, blocks=(2, 2, 2, 2))


def load_imagenet(network: nn.Module, path: Path) -> None:
    """Copy torchvision's ImageNet weights into a ResNet of the same shape, all but the classifier.

    What the network has beside torchvision's layers, its own classifier among them, stays as it is.

    Raises:
        WeightsError: the file is not of this ResNet; nothing is copied then.
    """
    state = {name: value for name, value in read_state_dict(path).items() if not name.startswith(_CLASSIFIER)}
    for name in network.state_dict():
        # older files have no such counters, which nothing computes with
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, torch.zeros((), dtype=torch.int64))
    own = [name for name in network.state_dict() if name.split(".")[0] not in _BODY]
    load_strict(network, state, path, optional=own)
