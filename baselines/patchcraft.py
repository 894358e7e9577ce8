"""PatchCraft (RPTC): the picture's poorest against its richest textures, through SRM filters and a small network.

"PatchCraft: Exploring Texture Patch for Efficient AI-generated Image Detection", arXiv 2311.12397; as
AIGCDetectBenchmark runs it, whose parameter names these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.network import NetworkDetector
from registry.protocol import view_for
from registry.view import View

if TYPE_CHECKING:
    from PIL.Image import Image

PATCH, ROW = 32, 8
"""Side of a crop in pixels, and how many of them make a row of a texture picture."""
CROPS = 3 * ROW * ROW

_CLOCKWISE = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


@dataclass(frozen=True)
class TextureView(View):
    """The 64 poorest and the 64 richest of 192 random crops of the picture: float32 (2, 3, 256, 256).

    First the poor ones, poorest first, then the rich ones, richest first, each laid out row by row.

    seed: random seed of the crops, drawn anew for every picture. One published function seeds them with 42; the other
        leaves them to the global generator, so that the same picture gets another score every time.
    """

    seed: int = 42

    def tensor(self, picture: Image) -> Tensor:
        if min(picture.size) < PATCH:
            from torchvision.transforms import functional as F

            picture = F.resize(picture, [PATCH, PATCH])
        image = super().tensor(picture)
        corners = random_corners(image.shape[-2], image.shape[-1], self.seed)
        crops = [image[:, top : top + PATCH, left : left + PATCH] for top, left in corners]
        richness = [texture(crop) for crop in crops]
        order = sorted(range(CROPS), key=richness.__getitem__)
        return torch.stack(
            [_mosaic([crops[index] for index in chosen[: ROW * ROW]]) for chosen in (order, order[::-1])]
        )


def random_corners(height: int, width: int, seed: int) -> list[tuple[int, int]]:
    """Top and left of 192 crops in the order drawn, as torchvision's `RandomCrop` draws them."""
    if (height, width) == (PATCH, PATCH):
        return [(0, 0)] * CROPS
    generator = torch.Generator().manual_seed(seed)

    def draw(length: int) -> int:
        return int(torch.randint(0, length - PATCH + 1, (1,), generator=generator))

    return [(draw(height), draw(width)) for _ in range(CROPS)]


def texture(crop: Tensor) -> float:
    """Sum of absolute differences of a crop (3, 32, 32) from its neighbours in four directions.

    Each direction is one sum in float32, as published: crops of nearly the same texture may change places
    in any other order of summation.
    """
    differences = (
        crop[:, :-1] - crop[:, 1:],
        crop[:, :, :-1] - crop[:, :, 1:],
        crop[:, :-1, :-1] - crop[:, 1:, 1:],
        crop[:, :-1, 1:] - crop[:, 1:, :-1],
    )
    return sum(difference.abs().sum().item() for difference in differences)


def _mosaic(crops: list[Tensor]) -> Tensor:
    """64 crops (3, 32, 32) row by row as one picture (3, 256, 256)."""
    rows = [torch.cat(crops[start : start + ROW], dim=2) for start in range(0, len(crops), ROW)]
    return torch.cat(rows, dim=1)


class PatchCraft(NetworkDetector):
    """Cuts its crops from the whole picture at its own size (`original`).

    width: channels of the network. seed: random seed of the crops.
    """

    keys = ("netC", "model", "state_dict")

    def __init__(self, protocol: str = "original", width: int = 32, seed: int = 42) -> None:
        super().__init__(view_for(protocol, TextureView(seed=seed), crop=256), TextureNetwork(width))


class TextureNetwork(nn.Module):
    """From poor and rich pictures (N, 2, 3, 256, 256) to one logit each (N, 1)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.group1 = _HighPass()
        self.group1_b = nn.Sequential(
            nn.Conv2d(90, width, 3, padding=1), nn.BatchNorm2d(width), nn.Hardtanh(-5, 5)
        )
        self.group2 = _group(width, convolutions=4, halve=True)
        self.group3 = _group(width, convolutions=2, halve=True)
        self.group4 = _group(width, convolutions=2, halve=True)
        self.group5 = _group(width, convolutions=2, halve=False)
        self.fc2 = nn.Linear(width, 1)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.fc2(self.pooled(pairs))

    def pooled(self, pairs: Tensor) -> Tensor:
        """What the last layer reads: (N, width)."""
        poor, rich = (self.group1_b(self.group1(pairs[:, index])) for index in (0, 1))
        x = self.group5(self.group4(self.group3(self.group2(poor - rich))))
        return x.mean(dim=(2, 3))


class _HighPass(nn.Module):
    """30 fixed filters on each colour channel of (N, 3, height, width): (N, 90, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.hpf = nn.Conv2d(1, 30, 5, padding=2, bias=False)
        self.hpf.weight = nn.Parameter(srm_filters().unsqueeze(1), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.hpf(images.flatten(0, 1).unsqueeze(1)).unflatten(0, images.shape[:2]).flatten(1, 2)


def _group(width: int, convolutions: int, halve: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    if halve:
        layers.append(nn.AvgPool2d(3, stride=2, padding=1))
    return nn.Sequential(*layers)


def srm_filters() -> Tensor:
    """The 30 high-pass filters of the spatial rich model (Fridrich and Kodovský, 2012), float32 (30, 5, 5).

    In this order: differences of first order (8), second (4) and third (8), square filters cut in half
    of 3×3 (4) and 5×5 pixels (4), and the two squares whole.
    """
    neighbours = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    first = [_difference({1: 1, 0: -1}, way) for way in neighbours]
    second = [_difference({1: 1, 0: -2, -1: 1}, way) / 2 for way in neighbours[:4]]
    third = [_difference({2: -1, 1: 3, 0: -3, -1: 1}, way) / 3 for way in _CLOCKWISE]
    small = nn.functional.pad(torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]), (1, 1, 1, 1)) / 4
    large = (
        torch.tensor(
            [
                [-1.0, 2, -2, 2, -1],
                [2, -6, 8, -6, 2],
                [-2, 8, -12, 8, -2],
                [2, -6, 8, -6, 2],
                [-1, 2, -2, 2, -1],
            ]
        )
        / 12
    )
    halves = [half for square in (small, large) for half in _halves(square)]
    return torch.stack([*first, *second, *third, *halves, small, large])


def _difference(taps: dict[int, float], way: tuple[int, int]) -> Tensor:
    """A filter with these values at so many steps from the centre."""
    found = torch.zeros(5, 5)
    for steps, value in taps.items():
        found[2 + steps * way[0], 2 + steps * way[1]] = value
    return found


def _halves(square: Tensor) -> list[Tensor]:
    """A filter (5, 5) less its lower, left, upper and right part in turn."""
    halves = []
    for lost in (
        (slice(3, None), slice(None)),
        (slice(None), slice(2)),
        (slice(2), slice(None)),
        (slice(None), slice(3, None)),
    ):
        half = square.clone()
        half[lost] = 0
        halves.append(half)
    return halves
