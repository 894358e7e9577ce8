"""Fusing (PSM): ResNet-50 on the picture and on its six most active patches, joined by attention.

"Fusing Global and Local Features for Generalized AI-Synthesized Image Detection", ICIP 2022,
arXiv 2203.13964; parameter names are those of AIGCDetectBenchmark's published checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from baselines.imagenet import load_imagenet
from baselines.network import RESNET50
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import IMAGENET_MEAN, IMAGENET_STD, View

PATCH = 224
_WIDTH, _HEADS = 128, 4
_CHUNK = 48
_SEARCHES = ((3, 224), (2, 112))
"""Side of the window that scores positions of the feature map, side of the patch in pixels."""
_PATCHES_PER_SEARCH = 3


class Fusing(Detector):
    """Reads the whole picture at its own size, and a square of 224 pixels of it (`original`).

    blocks: residual blocks of each stage.
    """

    def __init__(self, protocol: str = "original", blocks: Sequence[int] = RESNET50) -> None:
        super().__init__()
        whole = View(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.whole = view_for(protocol, whole)
        self.square = view_for(protocol, replace(whole, resize=PATCH, crop=PATCH))
        self.resnet = ResNet(Bottleneck, list(blocks))
        # in the published file, and never used
        self.resnet.fc.requires_grad_(False)
        self.mha_list = nn.Sequential(*[_SelfAttention() for _ in range(3)])
        self.fc1 = nn.Linear(2048, _WIDTH)
        self.fc = nn.Linear(_WIDTH, 1)

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"square": self.square, "whole": self.whole}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        square, whole = inputs["square"], inputs["whole"]
        features = self._features(square)
        boxes = active_boxes(features.detach(), *whole.shape[-2:])  # (N, 6, 4)
        patches = torch.stack(
            [_cut(picture, box) for picture, of in zip(whole, boxes, strict=True) for box in of]
        )
        local = self._embed(torch.cat([self._features(chunk) for chunk in patches.split(_CHUNK)]))
        tokens = torch.cat([local.unflatten(0, boxes.shape[:2]), self._embed(features).unsqueeze(1)], dim=1)
        return self.fc(self.mha_list(tokens)[:, -1]).squeeze(1)

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.resnet, path)

    def _features(self, images: Tensor) -> Tensor:
        """ResNet's last feature map (N, 2048, height / 32, width / 32)."""
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))

    def _embed(self, features: Tensor) -> Tensor:
        return F.relu(self.fc1(features.mean(dim=(2, 3))))


class _SelfAttention(nn.Module):
    """Attention over tokens (N, L, 128), then an MLP, each with a residual connection and normalised after."""

    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(_WIDTH, _HEADS, batch_first=True)
        self.ln1 = nn.LayerNorm(_WIDTH)
        self.fc1 = nn.Linear(_WIDTH, _WIDTH)
        self.fc2 = nn.Linear(_WIDTH, _WIDTH)
        self.ln2 = nn.LayerNorm(_WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed, _ = self.mha(tokens, tokens, tokens, need_weights=False)
        tokens = self.ln1(tokens + mixed)
        return self.ln2(tokens + self.fc2(F.relu(self.fc1(tokens))))


def active_boxes(features: Tensor, height: int, width: int) -> Tensor:
    """Patches around the strongest responses of a feature map of the central square.

    features: (N, C, h, w), not negative; height, width: of the whole picture in pixels.

    Returns:
        int64 (N, 6, 4): top, left, bottom, right in pixels, three large patches and three small ones.
    """
    boxes = []
    for window, side in _SEARCHES:
        score = F.avg_pool2d(features, window, stride=1).sum(dim=1, keepdim=True)
        for _ in range(_PATCHES_PER_SEARCH):
            strongest, position = score.flatten(1).max(dim=1)
            centre = _centre(position, score.shape[-2:], features.shape[-2:], height, width)
            boxes.append(_box(centre, side, height, width))
            # the strongest position and its neighbours are out of the next round
            around = F.max_pool2d(score, 3, stride=1, padding=1)
            score = score * (around != strongest.view(-1, 1, 1, 1))
    return torch.stack(boxes, dim=1)


def _centre(
    position: Tensor, score_size: Sequence[int], map_size: Sequence[int], height: int, width: int
) -> Tensor:
    """Pixel (row, column) in the whole picture (N, 2) of a flat position in a score map."""
    cell = torch.stack([position // score_size[1], position % score_size[1]], dim=1)
    map_side, score_side = (torch.tensor(size, device=cell.device) for size in (map_size, score_size))
    rate = (2 * cell + map_side - score_side + 1) / (2 * map_side)
    short = min(height, width)
    margin = torch.tensor([(height - short) // 2, (width - short) // 2], device=cell.device)
    return (margin + short * rate).long()


def _box(centre: Tensor, side: int, height: int, width: int) -> Tensor:
    """Top, left, bottom, right (N, 4) of a square around `centre`, moved and then cut to fit the picture."""
    limit = torch.tensor([height, width], device=centre.device)
    start = (centre - side // 2).clamp(min=0)
    end = torch.minimum(start + side, limit)
    return torch.cat([(end - side).clamp(min=0), end], dim=1)


def _cut(picture: Tensor, box: Tensor) -> Tensor:
    """The part of a picture (3, height, width) in a box, enlarged to (3, 224, 224) where it is smaller."""
    top, left, bottom, right = box.tolist()
    patch = picture[:, top:bottom, left:right]
    if patch.shape[-2:] == (PATCH, PATCH):
        return patch
    return F.interpolate(patch.unsqueeze(0), (PATCH, PATCH), mode="bilinear", align_corners=True)[0]
