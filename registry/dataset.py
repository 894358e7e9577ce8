"""What a data set source returns: test sets of labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

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


class Store(Protocol):
    """Where pictures lie that are no files of a folder: in tar shards, in a Parquet column, in a bucket.

    It is pickled to decoding processes, and read by several threads at once. `str` of it is the address.
    """

    def read(self, path: str) -> bytes:
        """All bytes of the picture with this path.

        Raises:
            OSError: they cannot be had, or are not those that an index recorded; `strerror` says why in one line.
        """

    def size(self, path: str) -> int:
        """The number of these bytes; raises `OSError` as `read`."""


@dataclass(frozen=True)
class StoredFile:
    """A picture in a store, with what `pathlib.Path` calls the same."""

    store: Store
    path: str

    def __str__(self) -> str:
        return f"{self.store}/{self.path}"

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    def as_posix(self) -> str:
        """The store's address and the path in it."""
        return str(self)

    def read_bytes(self) -> bytes:
        """All of it; raises `OSError` as `Store.read`."""
        return self.store.read(self.path)

    def open(self, mode: str = "rb") -> BytesIO:
        """A stream over all of it; raises `OSError` as `Store.read`."""
        if mode != "rb":
            raise ValueError(f"a stored picture is only read: mode {mode!r}")
        return BytesIO(self.read_bytes())


PictureFile = Path | StoredFile
"""What holds the bytes of one picture."""


@dataclass(frozen=True)
class TestSet:
    """Real and generated pictures that are scored together and get one row of a table.

    name: unique in a run, for example `AR/VAR`. root: the folder that picture paths start from.
    store: what they are read from instead, where they are no files.
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
    store: Store | None = None

    __test__ = False  # not a pytest class

    def count(self, label: int) -> int:
        """Number of pictures with this label."""
        return sum(picture.label == label for picture in self.pictures)

    def file(self, picture: Picture) -> PictureFile:
        """Where the bytes of one of its pictures are."""
        return self.root / picture.path if self.store is None else StoredFile(self.store, picture.path)

    @property
    def place(self) -> str:
        """The folder or address that its pictures lie in."""
        return str(self.root if self.store is None else self.store)
