"""Files by the address that somebody gave: how they are found, which version they are, and a part of their bytes."""

from __future__ import annotations

import errno
import glob
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.errors import UserError

_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


@dataclass(frozen=True)
class Matched:
    """The files that a pattern names, in place of a folder that they lie in. pattern: as it was given."""

    pattern: str
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return self.pattern

    @property
    def name(self) -> str:
        """What the files' names have in common at the front, without what joins it to a number."""
        names = [file.name for file in self.files]
        common = "".join(
            letters[0]
            for letters in itertools.takewhile(lambda one: len(set(one)) == 1, zip(*names, strict=False))
        )
        return re.sub(r"[-_.]*\d*$", "", common if len(names) > 1 else self.files[0].stem) or "shards"

    stem = name
    suffix = ""

    def is_file(self) -> bool:
        """It is not one."""
        return False

    def is_dir(self) -> bool:
        """It is read like one."""
        return True

    def iterdir(self) -> Iterator[Path]:
        """Its files."""
        return iter(self.files)


Folder = Path | Matched
"""What a layout looks into: a folder, a file, or what a pattern names."""


@dataclass(frozen=True)
class Version:
    """Which version of a file it is. address: absolute. size: bytes. mark: another one for other content, as far as can be told."""

    address: str
    size: int
    mark: str


def version_of(file: Folder) -> Version:
    """The version of a file as it is now; raises `OSError` where there is none."""
    status = _local(file).stat()
    return Version(str(_local(file).resolve()), status.st_size, str(status.st_mtime_ns))


def read_part(file: Folder, start: int, size: int) -> bytes:
    """`size` bytes from `start` on; raises `OSError` where the file is gone or ends before that."""
    with open_file(file) as stream:
        stream.seek(start)
        found = stream.read(size)
    if len(found) != size:
        raise OSError(errno.EIO, f"{file.name} ends before byte {start + size:,}")
    return found


def open_file(file: Folder) -> BinaryIO:
    """A stream over a file, which can be moved in; raises `OSError` where there is none."""
    return _local(file).open("rb")


def _local(file: Folder) -> Path:
    if isinstance(file, Path):
        return file
    raise IsADirectoryError(errno.EISDIR, "several files, not one", str(file))


def find(address: str) -> Folder | None:
    """The file or folder of this name, else what it names as a pattern; None where there is nothing.

    Raises:
        UserError: a file that braces spell out is not there.
    """
    path = Path(address).expanduser()
    return path if path.exists() else _matched(address)


def _matched(pattern: str) -> Matched | None:
    """What a pattern with `*`, `?`, `[…]`, `{000..099}` or `{a,b}` names, sorted; None where it names nothing."""
    spelled = [str(Path(one).expanduser()) for one in _spelled(pattern)]
    files = tuple(
        path for path in sorted({Path(path) for one in spelled for path in glob.glob(one)}) if path.is_file()
    )
    for one in spelled if files else ():
        if not glob.has_magic(one) and not Path(one).is_file():
            raise UserError(f"{pattern} names {one}, which is not there")
    return Matched(pattern, files) if files else None


def _spelled(pattern: str) -> Iterator[str]:
    """The patterns that braces stand for; numbers are as long as the first one is written."""
    braces = _BRACES.search(pattern)
    if braces is None:
        yield pattern
        return
    first, last, names = braces.groups()
    parts: Sequence[str] = (
        names.split(",")
        if names is not None
        else [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
    )
    for part in parts:
        yield from _spelled(f"{pattern[: braces.start()]}{part}{pattern[braces.end() :]}")
