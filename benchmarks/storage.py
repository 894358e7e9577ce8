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
from urllib.parse import unquote

from benchmarks.remote import Address, address, is_address, matching
from registry.errors import UserError

_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


@dataclass(frozen=True)
class Matched:
    """The files that a pattern names, in place of a folder that they lie in. pattern: as it was given."""

    pattern: str
    files: tuple[Path | Address, ...]

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

    def iterdir(self) -> Iterator[Path | Address]:
        """Its files."""
        return iter(self.files)


Folder = Path | Address
"""What a layout of folders looks into."""
Place = Path | Address | Matched
"""What `--data` can name: a folder or file of this machine or at an address, or what a pattern names."""


def relative(path: Folder, root: Folder) -> str:
    """The way from a folder to what lies below it, POSIX."""
    if isinstance(path, Address):
        assert isinstance(root, Address)
        return path.relative_to(root).as_posix()
    return path.relative_to(str(root)).as_posix()


def entries(folder: Folder) -> list[Folder]:
    """What lies in a folder, in the order of names; raises `OSError`."""
    return sorted(folder.iterdir(), key=lambda path: path.name)


@dataclass(frozen=True)
class Version:
    """Which version of a file it is. address: absolute. size: bytes. mark: another one for other content, as far as can be told."""

    address: str
    size: int
    mark: str


def version_of(file: Folder) -> Version:
    """The version of a file as it is now; raises `OSError` where there is none."""
    if isinstance(file, Address):
        return Version(str(file), *file.version())
    status = file.stat()
    return Version(str(file.resolve()), status.st_size, str(status.st_mtime_ns))


def read_part(file: Folder, start: int, size: int) -> bytes:
    """`size` bytes from `start` on; raises `OSError` where the file is gone or ends before that."""
    if isinstance(file, Address):
        return file.read_part(start, size)
    with file.open("rb") as stream:
        stream.seek(start)
        found = stream.read(size)
    if len(found) != size:
        raise OSError(errno.EIO, f"{file.name} ends before byte {start + size:,}")
    return found


def open_file(file: Folder, version: Version | None = None) -> BinaryIO:
    """A stream over a file, which can be moved in; raises `OSError` where there is none. version: saves asking for the size."""
    if isinstance(file, Address):
        return file.open(size=version.size if version else -1)
    return file.open("rb")


def find(text: str) -> Place | None:
    """The file or folder of this name or address, else what it names as a pattern; None where there is nothing.

    Raises:
        UserError: a file that braces spell out is not there, or an address cannot be used as `remote.address` says, or its
            server does not answer.
    """
    if text.startswith(("file://", "local://")):
        text = unquote(text.partition("://")[2])
    path = Path(text).expanduser()
    if path.exists():
        return path
    if not is_address(text):
        return _matched(text)
    try:
        found = address(text)
        return found if "{" not in text and found.exists() else _matched(text)
    except OSError as error:
        raise UserError(f"{text} cannot be read: {error.strerror}") from None


def _matched(pattern: str) -> Matched | None:
    """What a pattern with `*`, `?`, `[…]`, `{000..099}` or `{a,b}` names, sorted; None where it names nothing."""
    spelled = list(_spelled(pattern))
    found = [file for one in spelled for file in _named(one)]
    files = tuple(dict.fromkeys(sorted(found, key=str)))
    for one in spelled if files else ():
        if not glob.has_magic(one) and not _named(one):
            raise UserError(f"{pattern} names {one}, which is not there")
    return Matched(pattern, files) if files else None


def _named(pattern: str) -> list[Path | Address]:
    """The files that a pattern without braces names."""
    if is_address(pattern):
        one = address(pattern)
        return list(matching(pattern)) if glob.has_magic(pattern) else [one] if one.is_file() else []
    return [path for path in map(Path, glob.glob(str(Path(pattern).expanduser()))) if path.is_file()]


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
