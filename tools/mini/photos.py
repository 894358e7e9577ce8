"""The photographs that installed packages carry, cut into regions that no two splits share."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from registry.errors import UserError
from registry.weights import sha256

SIDE = 64
"""Side of every picture of the benchmark in pixels."""

SPLITS = ("train", "val", "test")
_SPLIT_OF_TILE = ("train", "test", "train", "val", "train", "test", "train")
_TILE = 100
_SMALLEST_WINDOW = 72
_FLATTEST = 6.0
_ATTEMPTS = 50


@dataclass(frozen=True)
class Source:
    """A photograph inside an installed package: where it lies there and the bytes it must have."""

    package: str
    file: str
    sha256: str

    @property
    def name(self) -> str:
        """The photograph's name, for example `astronaut`."""
        return Path(self.file).stem


SOURCES = (
    Source(
        "skimage", "data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
    ),
    Source("skimage", "data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    Source("skimage", "data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    Source(
        "skimage",
        "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    Source("skimage", "data/rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
    Source("skimage", "data/ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
    Source(
        "sklearn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
    Source(
        "sklearn",
        "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    Source(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
)
"""The benchmark's photographs; the position of one here is its class for the generators."""


def find(source: Source) -> Path:
    """The file of a photograph, its bytes verified.

    Raises:
        UserError: the package is missing, has no such file, or carries another one.
    """
    spec = importlib.util.find_spec(source.package)
    if spec is None or spec.origin is None:
        raise UserError(
            f"the mini benchmark needs the photographs of {source.package!r}: install it with pip"
        )
    path = Path(spec.origin).parent / source.file
    if not path.is_file():
        raise UserError(
            f"no photograph at {path}: this build of {source.package} leaves it out; install the one from PyPI"
        )
    if sha256(path) != source.sha256:
        raise UserError(
            f"{path} is not the photograph that the mini benchmark was made from (SHA-256 differs)"
        )
    return path


@dataclass(frozen=True)
class Tile:
    """A region of one photograph. box: left, upper, right, lower in pixels."""

    photo: int
    box: tuple[int, int, int, int]
    split: str


def tiles(photo: int, size: tuple[int, int]) -> list[Tile]:
    """Cut a photograph of `size` (width, height) into disjoint tiles of about 100 px.

    Four tiles of seven are for training, one for validation, two for testing, placed like knight's
    moves, so that every part of the photograph occurs in each split.
    """
    columns, rows = max(1, size[0] // _TILE), max(1, size[1] // _TILE)
    edges_x = np.linspace(0, size[0], columns + 1).astype(int).tolist()
    edges_y = np.linspace(0, size[1], rows + 1).astype(int).tolist()
    return [
        Tile(
            photo,
            (edges_x[x], edges_y[y], edges_x[x + 1], edges_y[y + 1]),
            _SPLIT_OF_TILE[(x + 2 * y) % len(_SPLIT_OF_TILE)],
        )
        for y in range(rows)
        for x in range(columns)
    ]


class Crops:
    """Random square crops of the tiles of one split.

    A crop is a window of 72 px up to the tile's shorter side, flipped left to right half of the time
    and resized to `SIDE`, so that no picture keeps the pixel grid or the JPEG blocks of its
    photograph. Windows that are nearly flat are drawn again; `flat` is the same rule for others.

    photographs: the pictures to cut, one per class; by default those of `SOURCES`.
    """

    def __init__(self, split: str, photographs: Sequence[Image.Image] | None = None) -> None:
        pictures = installed() if photographs is None else photographs
        self.photographs = list(pictures)
        self.tiles = [
            [tile for tile in tiles(photo, picture.size) if tile.split == split]
            for photo, picture in enumerate(pictures)
        ]

    def draw(self, photo: int, rng: np.random.Generator) -> np.ndarray:
        """One crop of a photograph: uint8 (64, 64, 3)."""
        for _ in range(_ATTEMPTS):
            left, upper, right, lower = self.tiles[photo][rng.integers(len(self.tiles[photo]))].box
            largest = min(right - left, lower - upper)
            side = int(rng.integers(min(_SMALLEST_WINDOW, largest), largest + 1))
            x = int(rng.integers(left, right - side + 1))
            y = int(rng.integers(upper, lower - side + 1))
            window = self.photographs[photo].crop((x, y, x + side, y + side))
            crop = np.asarray(window.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            if rng.random() < 0.5:
                crop = crop[:, ::-1]
            if not flat(crop):
                break
        return np.ascontiguousarray(crop)

    def batch(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Crops of photographs drawn at random: uint8 (count, 64, 64, 3) and their classes (count,)."""
        classes = rng.integers(len(self.photographs), size=count)
        return np.stack([self.draw(int(photo), rng) for photo in classes]), classes


def flat(picture: np.ndarray) -> bool:
    """Whether an RGB picture's luminance has a standard deviation under 6 of 255 levels."""
    return float((picture @ np.array([0.299, 0.587, 0.114])).std()) < _FLATTEST


@cache
def installed() -> tuple[Image.Image, ...]:
    """The photographs of `SOURCES`, decoded to RGB."""
    return tuple(Image.open(find(source)).convert("RGB") for source in SOURCES)


def read_folder(folder: Path) -> list[Image.Image]:
    """Further photographs for the tokenizers and the image encoder: every JPEG of at least 200 px."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.jpg"))]
    return [picture for picture in pictures if min(picture.size) >= 2 * _TILE]
