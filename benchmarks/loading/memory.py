"""Pictures that a caller hands over: files, Pillow's pictures, or an array."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from benchmarks.datasets.kinds import stored_pictures
from benchmarks.loading.samples import Prepared, prepare
from benchmarks.perturbations import Perturbation
from benchmarks.pictures import PictureError, is_picture, open_picture, to_rgb
from benchmarks.remote import Address
from benchmarks.storage import find
from registry import LayoutMismatch, Picture, PictureFile, UserError, View

UNLABELLED = -1

Given = str | PictureFile | Image.Image


class GivenPictures(Dataset[Prepared]):
    """As `PreparedPictures`, of pictures that belong to no test set."""

    def __init__(
        self,
        pictures: Sequence[Given] | np.ndarray,
        labels: Sequence[int] | None,
        perturbations: Sequence[Perturbation],
        views: Sequence[View],
        *,
        seed: int,
        max_pixels: int,
    ) -> None:
        self.pictures = _checked(pictures)
        if labels is not None and len(labels) != len(self.pictures):
            raise UserError(f"{len(labels)} labels for {len(self.pictures)} pictures")
        self.labels = labels
        self.perturbations = perturbations
        self.views = views
        self.seed = seed
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Prepared:
        given = self.pictures[index]
        label = UNLABELLED if self.labels is None else int(self.labels[index])
        file = Path(given) if isinstance(given, str) else given
        name = file.as_posix() if isinstance(file, PictureFile) else f"picture {index}"
        try:
            decoded: Image.Image | PictureError = self._decoded(file)
        except PictureError as error:
            decoded = error
        return prepare(Picture(name, label), decoded, self.perturbations, self.views, seed=self.seed)

    def _decoded(self, given: PictureFile | Image.Image | np.ndarray) -> Image.Image:
        if isinstance(given, PictureFile):
            return open_picture(given, self.max_pixels)
        return to_rgb(Image.fromarray(given) if isinstance(given, np.ndarray) else given)


def _checked(pictures: Sequence[Given] | np.ndarray) -> Sequence[Given] | np.ndarray:
    if isinstance(pictures, str | PictureFile | Image.Image):
        raise UserError("give a list of pictures, even for one")
    if isinstance(pictures, np.ndarray) and (
        pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3
    ):
        raise UserError(
            f"an array of pictures is uint8 (N, height, width, 3), got {pictures.dtype} {pictures.shape}"
        )
    return pictures


def find_pictures(patterns: Sequence[str]) -> list[PictureFile]:
    """The pictures that paths, folders (searched to the bottom), patterns, tar shards and Parquet files name, sorted.

    Raises:
        UserError: one of them names nothing.
    """
    found: dict[PictureFile, None] = {}
    for pattern in patterns:
        here = list(_expand(pattern))
        if not here:
            raise UserError(f"no picture at {pattern}")
        found.update(dict.fromkeys(here))
    return list(found)


def _expand(pattern: str) -> Iterator[PictureFile]:
    root = find(pattern)
    try:
        stored = [] if root is None else stored_pictures(root)
    except LayoutMismatch as error:
        raise UserError(f"{pattern}: {error}") from error
    path = Path(pattern)
    if stored or isinstance(root, Address):
        yield from stored
    elif path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file() and is_picture(file))
    else:
        matches = map(Path, sorted(glob.glob(pattern, recursive=True)))
        yield from (match for match in matches if match.is_file() and is_picture(match))
