"""Unpacks downloaded archives: zip, zip in parts, tar. Nothing leaves the target folder, nothing is executed.

Parts are either one zip cut anywhere (`x.zip.001`, `x.zip.part00`, `x.zipaa`), or the volumes of a split zip
(`x.z01`, `x.z02`, …, `x.zip`), whose table of contents counts from the start of each volume.
"""

from __future__ import annotations

import bisect
import re
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from benchmarks.download import check_space
from benchmarks.streams import SizedStream
from registry.errors import UserError, nearest
from registry.files import atomic

MAX_RATIO = 100
"""Pictures hardly shrink: an archive that grows more than this is made to fill disks."""

_CUT = re.compile(r"(?P<stem>.+\.zip)[._-]?(?:part)?[._-]?(?P<number>\d{1,4}|[a-z]{2})", re.IGNORECASE)
_VOLUME = re.compile(r"(?P<stem>.+)\.z(?P<number>\d{2,3})", re.IGNORECASE)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

Member = tuple[str, int, Callable[[], IO[bytes]]]
"""Name, size in bytes, and what opens it."""


def is_archive(path: Path) -> bool:
    """Whether a file is called as an archive or a part of one is."""
    return bool(
        _CUT.fullmatch(path.name)
        or _VOLUME.fullmatch(path.name)
        or path.name.lower().endswith((".zip", *_TAR))
    )


def find_archives(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Archive name → its parts in order; files that are no archives are left out.

    Raises:
        UserError: a part is missing in between.
    """
    found: dict[str, dict[object, Path]] = {}
    for path in files:
        cut, volume = _CUT.fullmatch(path.name), _VOLUME.fullmatch(path.name)
        if volume:
            found.setdefault(f"{volume['stem']}.zip", {})[int(volume["number"])] = path
        elif cut:
            number = int(cut["number"]) if cut["number"].isdigit() else cut["number"].lower()
            found.setdefault(cut["stem"], {})[number] = path
        elif path.name.lower().endswith((".zip", *_TAR)):
            found.setdefault(path.name, {})[None] = path  # of a split zip, the last volume
    return {name: _in_order(name, parts) for name, parts in sorted(found.items())}


def _in_order(name: str, parts: dict[object, Path]) -> list[Path]:
    last = parts.pop(None, None)
    numbers = sorted(parts, key=lambda number: (str(type(number)), number))
    counted = [number for number in numbers if isinstance(number, int)]
    if counted and counted != list(range(counted[0], counted[0] + len(counted))):
        missing = sorted(set(range(counted[0], counted[-1])) - set(counted))
        raise UserError(f"{name}: part {missing[0]} is missing")
    if last is not None and counted and counted[0] != 1:
        raise UserError(f"{name}: part 1 is missing")
    return [*(parts[number] for number in numbers), *([last] if last else [])]


def unpack(
    name: str, parts: Sequence[Path], target: Path, progress: Callable[[int], None] = lambda new: None
) -> int:
    """Unpack one archive into `target`; files that are there in full size stay, so that a broken off call goes on.

    progress: called with the bytes of each member when it is there.

    Returns:
        How many files the archive holds.

    Raises:
        UserError: not an archive or damaged, a name that leaves the folder, a link or device, an encrypted
            member, content far larger than the archive, or too little disk space.
    """
    packed = sum(part.stat().st_size for part in parts)
    try:
        with _members(name, parts) as members:
            total = sum(size for _, size, _ in members)
            if total > MAX_RATIO * max(packed, 1 << 20):
                raise UserError(
                    f"{name} of {packed:,} bytes would unpack to {total:,}: refused as a decompression bomb"
                )
            wanted = [(_inside(name, member, target), size, opener) for member, size, opener in members]
            lacking = [(path, size, opener) for path, size, opener in wanted if not _there(path, size)]
            check_space(target, sum(size for _, size, _ in lacking), name)
            for path, size, opener in lacking:
                _write(name, path, size, opener)
                progress(size)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, struct.error, NotImplementedError) as error:
        raise UserError(f"{name} is damaged or not complete: {error}") from error
    except RuntimeError as error:  # zipfile's word for an encrypted member
        raise UserError(f"{name}: {error}") from error
    return len(wanted)


def _there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write(name: str, path: Path, size: int, opener: Callable[[], IO[bytes]]) -> None:
    with atomic(path) as draft, opener() as source, open(draft, "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        if copy.tell() != size:
            raise UserError(f"{name}: {path.name} has {copy.tell():,} bytes instead of {size:,}")


def _inside(name: str, member: str, target: Path) -> Path:
    """Where a member goes; one that would leave the folder is refused, as is one that no system can name."""
    parts = PurePosixPath(member.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in member:
        raise UserError(f"{name}: the member {member!r} leaves the folder: refused")
    path = target.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(target.resolve()):
        raise UserError(f"{name}: the member {member!r} leaves the folder through a link: refused")
    return path


@contextmanager
def _members(name: str, parts: Sequence[Path]) -> Iterator[list[Member]]:
    if name.lower().endswith(_TAR):
        with tarfile.open(parts[0]) as archive:
            yield list(_tar_members(name, archive))
        return
    with _Joined(parts) as joined, zipfile.ZipFile(joined) as archive_:
        volumes = joined.starts if _VOLUME.fullmatch(parts[0].name) else None
        yield list(_zip_members(name, archive_, volumes))


def _tar_members(name: str, archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        if info.isdir():
            continue
        if not info.isreg():
            raise UserError(f"{name}: the member {info.name!r} is a link or a device: refused")
        yield info.name, info.size, lambda info=info: archive.extractfile(info)  # type: ignore[misc]


def _zip_members(name: str, archive: zipfile.ZipFile, volumes: Sequence[int] | None) -> Iterator[Member]:
    infos = archive.infolist()
    if volumes and infos:
        # zipfile takes the offsets for those of one file and shifts all by where it found the first table
        shift = archive.start_dir - _table_offset(archive)
        for info in infos:
            info.header_offset += volumes[info.volume] - shift
    for info in infos:
        if info.is_dir():
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{name}: the member {info.filename!r} is a link: refused")
        yield info.filename, info.file_size, lambda info=info: archive.open(info)  # type: ignore[misc]


def _table_offset(archive: zipfile.ZipFile) -> int:
    """Where the end record says that the table of contents begins, counted from the start of its volume."""
    record = zipfile._EndRecData(archive.fp)  # type: ignore[attr-defined]
    return int(record[zipfile._ECD_OFFSET])  # type: ignore[attr-defined]


class _Joined(SizedStream):
    """Several files read as one. starts: where each begins."""

    def __init__(self, parts: Sequence[Path]) -> None:
        sizes = [part.stat().st_size for part in parts]
        super().__init__(sum(sizes))
        self.starts = [sum(sizes[:number]) for number in range(len(parts))]
        self._files = [open(part, "rb") for part in parts]  # noqa: SIM115 - closed with this
        self._locator = self._find_locator()

    def _find_locator(self) -> int:
        """Where the 64-bit end record's locator lies, or -1: zipfile refuses one that counts several volumes."""
        begin = max(0, self.size - (1 << 16) - 42)
        self.seek(begin)
        found = self.read(self.size - begin).rfind(b"PK\x06\x07")
        self.seek(0)
        return begin + found if found >= 0 else -1

    def read(self, size: int = -1) -> bytes:
        wanted = self.size - self._at if size is None or size < 0 else min(size, self.size - self._at)
        begin, pieces = self._at, []
        while wanted > 0:
            number = bisect.bisect_right(self.starts, self._at) - 1
            file = self._files[number]
            file.seek(self._at - self.starts[number])
            piece = file.read(wanted)
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        return self._as_one_volume(begin, b"".join(pieces))

    def _as_one_volume(self, begin: int, content: bytes) -> bytes:
        """The locator with volume 0 of 1 in it, whatever it says."""
        if getattr(self, "_locator", -1) < begin or self._locator + 20 > begin + len(content):
            return content
        at = self._locator - begin
        patched = (
            content[at : at + 4] + struct.pack("<L", 0) + content[at + 8 : at + 16] + struct.pack("<L", 1)
        )
        return content[:at] + patched + content[at + 20 :]

    def close(self) -> None:
        for file in getattr(self, "_files", ()):
            file.close()
        super().close()


def check_parts(found: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise `UserError` if an archive that a data set consists of is not among those that were found."""
    known = list(found)
    for name in wanted:
        if name not in known:
            raise UserError(f"no archive {name}{nearest(name, known)} (found: {', '.join(known) or 'none'})")
