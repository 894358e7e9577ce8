"""Fair views: every picture of a test set, real or generated, brought to one file history before it is scored.

In GenImage the real pictures are JPEG (mostly quality 96) of many sizes and the generated ones PNG of few:
a detector can win on that alone (Grommelt et al., "Fake or JPEG?", arXiv 2403.17608). A view treats both
classes alike; it takes the shortcut away and some of the signal with it, so it stands beside the pictures
as they are and does not replace them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL.Image import Image

from benchmarks.perturbations.codec import reencode
from benchmarks.pictures import PictureError, picture_file
from registry.dataset import TestSet
from registry.errors import UserError, nearest

FAIR_VIEWS = {
    "size": "every picture cropped to the set's smallest width and height, without resampling",
    "jpeg96": "every picture encoded as JPEG of quality 96 (any quality: jpeg90)",
}
_JPEG = re.compile(r"jpeg(\d+)")
_ALIGNMENT = 16
"""Crops start at whole JPEG blocks, so that pictures keep the block grid where it was in all sizes."""

Step = Callable[[Image], Image]


@dataclass(frozen=True)
class FairView:
    """What is done to every decoded RGB picture, before any perturbation. name: such as `size:256x256+jpeg96`."""

    name: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return self.name

    def __call__(self, picture: Image) -> Image:
        """The picture in this view.

        Raises:
            PictureError: the picture cannot be brought into it, for example larger than JPEG allows.
        """
        try:
            for step in self.steps:
                picture = step(picture)
        except (OSError, ValueError) as error:
            raise PictureError(f"{self.name}: {error}") from error
        return picture


def with_fair_view(test_set: TestSet, names: Sequence[str]) -> TestSet:
    """The test set seen through fair views, in the order given; its name gets `@` and their names.

    names: `size` crops every picture, in the middle, to the smallest width and the smallest height of
    the set's readable pictures. Cropping needs no resampling, whose traces would differ with the size
    that a class came in. `jpeg96` encodes every picture with Pillow at quality 96.

    Raises:
        UserError: a view that does not exist.
    """
    if not names:
        return test_set
    named = [_step(name, test_set) for name in names]
    view = FairView("+".join(name for name, _ in named), tuple(step for _, step in named))
    return replace(test_set, name=f"{test_set.name}@{'+'.join(names)}", prepare=view)


def check_fair_views(names: Sequence[str]) -> None:
    """Raise `UserError` for a view that does not exist or is given twice."""
    for name in names:
        jpeg = _JPEG.fullmatch(name)
        if name != "size" and not (jpeg and 1 <= int(jpeg[1]) <= 100):
            known = "; ".join(f"{known}: {summary}" for known, summary in FAIR_VIEWS.items())
            raise UserError(f"fair view {name!r} does not exist{nearest(name, FAIR_VIEWS)} ({known})")
    if len(set(names)) < len(names):
        raise UserError(f"fair views {', '.join(names)}: one is given twice")


def _step(name: str, test_set: TestSet) -> tuple[str, Step]:
    """The view's name with what it comes to on this set, and its function."""
    jpeg = _JPEG.fullmatch(name)
    if jpeg:
        return name, partial(reencode, codec="JPEG", quality=int(jpeg[1]))
    width, height = smallest_size(test_set)
    return f"size:{width}x{height}", partial(centre_crop, width=width, height=height)


def smallest_size(test_set: TestSet) -> tuple[int, int]:
    """Smallest width and smallest height among the pictures whose headers can be read, in pixels.

    Raises:
        UserError: none can be read.
    """
    sizes = []
    for picture in test_set.pictures:
        try:
            with picture_file(test_set.root / picture.path) as image:
                sizes.append(image.size)
        except PictureError:
            # it becomes an error row when it is scored
            continue
    if not sizes:
        raise UserError(f"no picture of {test_set.name} can be read")
    return min(width for width, _ in sizes), min(height for _, height in sizes)


def centre_crop(picture: Image, *, width: int, height: int) -> Image:
    """The middle of the picture at this size, moved up and left to the next multiple of 16 pixels.

    Raises:
        ValueError: the picture is smaller.
    """
    if picture.width < width or picture.height < height:
        raise ValueError(f"{picture.width}×{picture.height} is smaller than {width}×{height}")
    left, top = ((outer - inner) // 2 for outer, inner in ((picture.width, width), (picture.height, height)))
    left, top = left - left % _ALIGNMENT, top - top % _ALIGNMENT
    return picture.crop((left, top, left + width, top + height))
