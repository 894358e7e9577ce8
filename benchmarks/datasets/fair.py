"""Fair views: every picture of a test set, real or generated, brought to one file history before it is scored.

In GenImage the real pictures are JPEG (mostly quality 96) of many sizes and the generated ones PNG of few:
a detector can win on that alone (Grommelt et al., "Fake or JPEG?", arXiv 2403.17608). A view treats both
classes alike; it takes the shortcut away and some of the signal with it, so it stands beside the pictures
as they are and does not replace them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL.Image import Image

from benchmarks.perturbations.codec import reencode
from benchmarks.pictures import PictureError, picture_file
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import UserError, nearest

FAIR_VIEWS = {
    "size": "every picture cropped to the set's smallest width and height, without resampling",
    "size:256": "the same after pictures with a side under 256 pixels (any floor) are left out",
    "jpeg96": "every picture encoded as JPEG of quality 96 (any quality: jpeg90)",
}
_SIZE = re.compile(r"size(?::([1-9]\d*))?")
_JPEG = re.compile(r"jpeg(\d+)")
_LITTLE = 0.5
"""A crop that keeps a smaller share of all area is warned of."""
_ALIGNMENT = 16
"""Crops start at whole JPEG blocks, so that pictures keep the block grid where it was in all sizes."""

logger = logging.getLogger(__name__)

Step = Callable[[Image], Image]


@dataclass(frozen=True)
class FairView:
    """What is done to every decoded RGB picture, before any perturbation.

    name: such as `size:256x256+jpeg96`. omitted: paths of pictures that are smaller than the floor asked for.
    """

    name: str
    steps: tuple[Step, ...]
    omitted: tuple[str, ...] = ()

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
    that a class came in; a warning says so where little of them is left. `size:256` first leaves out the
    pictures with a side under 256 pixels. `jpeg96` encodes every picture with Pillow at quality 96.

    Raises:
        UserError: a view that does not exist, or none of a class is left.
    """
    if not names:
        return test_set
    omitted: tuple[str, ...] = ()
    named: list[tuple[str, Step]] = []
    for name in names:
        if size := _SIZE.fullmatch(name):
            kept, named_step = _size_step(test_set, int(size[1] or 0))
            omitted = tuple(sorted({p.path for p in test_set.pictures} - {p.path for p in kept}))
            named.append(named_step)
        else:
            named.append((name, partial(reencode, codec="JPEG", quality=int(name.removeprefix("jpeg")))))
    view = FairView("+".join(name for name, _ in named), tuple(step for _, step in named), omitted)
    pictures = tuple(picture for picture in test_set.pictures if picture.path not in set(omitted))
    return replace(test_set, name=name_in_view(test_set.name, names), pictures=pictures, prepare=view)


def name_in_view(test_set: str, names: Sequence[str]) -> str:
    """What a test set is called that is seen through these fair views."""
    return f"{test_set}@{'+'.join(names)}" if names else test_set


def omitted_of(test_set: TestSet) -> tuple[str, ...]:
    """Paths of the pictures that the test set's fair view leaves out."""
    return test_set.prepare.omitted if isinstance(test_set.prepare, FairView) else ()


def check_fair_views(names: Sequence[str]) -> None:
    """Raise `UserError` for a view that does not exist or is given twice."""
    for name in names:
        jpeg = _JPEG.fullmatch(name)
        if not _SIZE.fullmatch(name) and not (jpeg and 1 <= int(jpeg[1]) <= 100):
            known = "; ".join(f"{known}: {summary}" for known, summary in FAIR_VIEWS.items())
            raise UserError(f"fair view {name!r} does not exist{nearest(name, FAIR_VIEWS)} ({known})")
    kinds = [name.partition(":")[0] for name in names]
    if len(set(kinds)) < len(kinds):
        raise UserError(f"fair views {', '.join(names)}: one is given twice")


def _size_step(test_set: TestSet, floor: int) -> tuple[list[Picture], tuple[str, Step]]:
    """The pictures that are not smaller than the floor, and the crop to the smallest sides among them.

    Unreadable pictures are kept: they become error rows when they are scored.

    Raises:
        UserError: none can be read, or the floor leaves nothing of a class.
    """
    sizes = {picture: size for picture in test_set.pictures if (size := _size(test_set, picture))}
    if not sizes:
        raise UserError(f"no picture of {test_set.name} can be read")
    kept = [picture for picture in test_set.pictures if min(sizes.get(picture, (floor,))) >= floor]
    for label, shown in ((REAL, "real"), (FAKE, "generated")):
        if not any(picture.label == label and picture in sizes for picture in kept):
            raise UserError(f"{test_set.name}: no {shown} picture has {floor} pixels or more on each side")
    left = [sizes[picture] for picture in kept if picture in sizes]
    width, height = min(width for width, _ in left), min(height for _, height in left)
    if len(kept) < len(test_set.pictures):
        omitted = len(test_set.pictures) - len(kept)
        logger.warning(
            "%s: %d of %d pictures left out, smaller than %d pixels on a side",
            test_set.name, omitted, len(test_set.pictures), floor,
        )  # fmt: skip
    share = width * height * len(left) / sum(width * height for width, height in left)
    if share < _LITTLE:
        causes = [p.path for p in kept if p in sizes and (sizes[p][0] == width or sizes[p][1] == height)]
        logger.warning(
            "%s: --fair size keeps %.1f%% of the pictures' area (%d×%d), because of %s%s; "
            "--fair size:256 leaves out what is smaller than 256 pixels",
            test_set.name, 100 * share, width, height, causes[0],
            f" and {len(causes) - 1} more" if causes[1:] else "",
        )  # fmt: skip
    return kept, (f"size:{width}x{height}", partial(centre_crop, width=width, height=height))


def _size(test_set: TestSet, picture: Picture) -> tuple[int, int] | None:
    """Width and height in pixels by the file's header, None if it cannot be read."""
    try:
        with picture_file(test_set.file(picture)) as image:
            return image.size
    except PictureError:
        return None


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
