"""What a data set source returns: test sets of labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

REAL, FAKE = 0, 1
PARADIGMS = ("AR", "GAN", "diffusion", "unified", "closed")
"""unified: one model that understands and makes pictures in more ways than one; closed: nobody outside knows how
it makes them, and what is presumed is not known."""
UNKNOWN_PARADIGM = "unknown"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture file. path: POSIX, relative to the test set's root. label: 0 real, 1 generated.

    sha256, size: of the file, lower-case hex and bytes, where an index has recorded them; else empty and -1.
    """

    path: str
    label: int
    sha256: str = field(default="", compare=False)
    size: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class TestSet:
    """Real and generated pictures that are scored together and get one row of a table.

    name: unique in a run, for example `AR/VAR`. root: the folder that picture paths start from.
    generator: what made the generated pictures. paradigm: one of `PARADIGMS`, or `unknown`.
    absent: published files of the data set that were not fetched, where the set may be no more than a part for it.
    prepare: done to every decoded RGB picture before anything else, as part of what the set is (a fair
        view); the set's name tells it, and `str(prepare)` is recorded with a run.
    """

    name: str
    root: Path
    generator: str
    paradigm: str
    pictures: tuple[Picture, ...]
    prepare: Callable[[Image], Image] | None = None
    absent: tuple[str, ...] = ()

    __test__ = False  # not a pytest class

    def count(self, label: int) -> int:
        """Number of pictures with this label."""
        return sum(picture.label == label for picture in self.pictures)
