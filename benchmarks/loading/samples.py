"""From a picture to everything that any detector reads of it: decoded once, perturbed, made into views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from PIL.Image import Image
from torch.utils.data import Dataset

from benchmarks.perturbations import CLEAN, Perturbation
from benchmarks.pictures import PictureError, open_member, pixel_digest
from registry import Picture, TestSet, View
from registry.view import views_of

Arrays = dict[View, np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """One picture: per perturbation its views, float32 (3, height, width), or the reason there are none."""

    picture: Picture
    samples: Mapping[str, Arrays | str]


def prepare(
    picture: Picture,
    decoded: Image | PictureError,
    perturbations: Sequence[Perturbation],
    views: Sequence[View],
    *,
    seed: int,
) -> Prepared:
    """All views of one decoded 8-bit RGB picture under every perturbation."""
    if isinstance(decoded, PictureError):
        return Prepared(picture, {one.name: str(decoded) for one in perturbations})
    # copies of a picture are perturbed alike, wherever they lie
    key = pixel_digest(decoded) if any(one.name != CLEAN for one in perturbations) else ""
    return Prepared(
        picture, {one.name: _views(decoded, one, views, key, seed, picture.path) for one in perturbations}
    )


def _views(
    decoded: Image, perturbation: Perturbation, views: Sequence[View], key: str, seed: int, path: str
) -> Arrays | str:
    try:
        perturbed = perturbation.apply(decoded, key, seed)
        perturbed.info["path"] = path  # for views that read what a folder's name says of the picture
        return {view: tensor.numpy() for view, tensor in views_of(perturbed, views).items()}
    except Exception as error:
        # one picture that a codec or a stranger's perturbation cannot take must not end the run
        return f"{perturbation.name}: {type(error).__name__}: {error}"


class PackedPictures(Sequence[Picture]):
    """Paths and labels of pictures in a few arrays, made into a `Picture` when one is asked for.

    A process that decodes shares the memory of the one that started it until it writes there, and to look at an object
    of Python's is to write its count of references: by the end, each would have copied the whole list.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        paths = [picture.path.encode("utf-8", "surrogatepass") for picture in pictures]
        self._paths = b"".join(paths)
        self._bounds = np.cumsum([0, *map(len, paths)], dtype=np.int64)
        self._labels = np.array([picture.label for picture in pictures], np.int8)

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...

    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        label = int(self._labels[index])
        start, end = self._bounds[:-1][index], self._bounds[1:][index]
        return Picture(self._paths[start:end].decode("utf-8", "surrogatepass"), label)


class PreparedPictures(Dataset[Prepared]):
    """Pictures of a test set, perturbed and turned into views.

    Arrays are numpy: they reach the main process through a pipe, where tensors would each take a
    file descriptor and a place in /dev/shm, which containers keep small.
    """

    def __init__(
        self,
        test_set: TestSet,
        pictures: Sequence[Picture],
        perturbations: Sequence[Perturbation],
        views: Sequence[View],
        *,
        seed: int,
        max_pixels: int,
    ) -> None:
        # without its pictures, which would be sent to processes that are not forked
        self.test_set = replace(test_set, pictures=())
        self.pictures = PackedPictures(pictures)
        self.perturbations = perturbations
        self.views = views
        self.seed = seed
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Prepared:
        picture = self.pictures[index]
        try:
            decoded: Image | PictureError = open_member(self.test_set, picture, self.max_pixels)
        except PictureError as error:
            decoded = error
        return prepare(picture, decoded, self.perturbations, self.views, seed=self.seed)


def keep_list(batch: list[Prepared]) -> list[Prepared]:
    """Collate function: pictures differ in size, so a batch stays a list."""
    return batch
