"""From a picture to everything that any detector reads of it: decoded once, perturbed, made into views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, overload

import numpy as np
import torch
from PIL.Image import Image
from torch.utils.data import Dataset

from benchmarks.perturbations import CLEAN, Perturbation
from benchmarks.pictures import PictureError, open_member, pixel_digest
from registry import Picture, TestSet, View
from registry.view import views_of

Arrays = dict[View, np.ndarray]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Prepared:
    """One picture: per perturbation its views, as `views_of` gives them, or the reason there are none."""

    picture: Picture
    samples: Mapping[str, Arrays | str]

    def pin_memory(self) -> Prepared:
        """The same in memory that a GPU reads by itself: torch's loader calls this, in a thread of its own."""

        def pin(array: np.ndarray) -> np.ndarray:
            pinned: np.ndarray = torch.from_numpy(array).pin_memory().numpy()
            return pinned

        return Prepared(
            self.picture,
            {
                name: made if isinstance(made, str) else _each_once(made, pin)
                for name, made in self.samples.items()
            },
        )


def _each_once(made: Mapping[View, Made], change: Callable[[Made], np.ndarray]) -> Arrays:
    """What each view saw, changed. What is one object stays one: scoring knows by that what it need not do twice."""
    changed = {id(one): change(one) for one in {id(one): one for one in made.values()}.values()}
    return {view: changed[id(one)] for view, one in made.items()}


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
        return _each_once(views_of(perturbed, views), torch.Tensor.numpy)
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
