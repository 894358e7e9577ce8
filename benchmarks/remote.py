"""Files at addresses, `s3://…`, `https://…` and whatever else fsspec knows, called as `pathlib` calls things."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from benchmarks.credentials import refuse_credentials
from benchmarks.patience import patiently, whole
from benchmarks.streams import SizedStream
from registry.errors import UserError, nearest

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
_WEB = ("http", "https")
_REFUSED = ("reference",)
"""Protocols that fill in templates."""
_PIECE = 8 << 20
"""Bytes that are asked for at once where a file is read from end to end."""
_MARKS = (
    "ETag",
    "etag",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "mtime",
    "created",
    "updated",
    "md5Hash",
)


def is_address(text: str) -> bool:
    """Whether a text is the address of something, and not a path."""
    return bool(_ADDRESS.match(text))


@dataclass(frozen=True)
class Base:
    """Where addresses below start from. given: names the file system. path: in it. shown: as people read it."""

    given: str
    path: str
    shown: str

    def __reduce__(self) -> tuple[Any, ...]:
        return Base, (self.given, self.path, self.shown)  # without what is known of it

    @property
    def web(self) -> bool:
        """Whether it is a page or file of a web server."""
        return self.path.startswith(tuple(f"{protocol}://" for protocol in _WEB))

    @property
    def system(self) -> Any:
        """The file system, opened once in each process."""
        return _system(self.given)[0]

    @cached_property
    def kind(self) -> str:
        """`file`, `directory`, or empty where there is nothing. A page of a web server is a file if its name has a suffix."""
        if self.web and not PurePosixPath(urlsplit(self.path).path.rstrip()).suffix:
            return "directory" if self.folders[""] else ""
        try:
            return str(self.facts(self.path)["type"])
        except FileNotFoundError:
            return ""

    def facts(self, path: str) -> dict[str, Any]:
        """What the server says of a file; raises `OSError`."""
        return dict(patiently(lambda: self.system.info(path)))

    @cached_property
    def folders(self) -> dict[str, dict[str, int | None]]:
        """Folder → what is in it by name: bytes of a file, -1 if not told, None for a folder. One listing of all."""
        found: dict[str, dict[str, int | None]] = {"": {}}
        for inner, size in self._listed():
            *above, name = inner.split("/")
            for depth in range(len(above)):
                found.setdefault("/".join(above[:depth]), {})[above[depth]] = None
                found.setdefault("/".join(above[: depth + 1]), {})
            found["/".join(above)].setdefault(name, size)
        return found

    def _listed(self) -> Iterator[tuple[str, int]]:
        """Every file by its path from here on, with its bytes or -1."""
        try:
            listed = patiently(lambda: self.system.find(self.path, detail=True))
        except FileNotFoundError:
            return
        top = f"{self.path.rstrip('/')}/"
        for path, facts in sorted(listed.items()):
            if facts.get("type") == "directory" or path in (self.path, top) or path.endswith("/"):
                continue
            inner = unquote(path.removeprefix(top)) if self.web else path.removeprefix(top)
            if not path.startswith(top) or {"", "..", "."} & set(inner.split("/")):
                raise UserError(f"{self.shown} lists {path!r}, which is no file below it")
            yield inner, -1 if facts.get("size") is None else int(facts["size"])


@dataclass(frozen=True)
class Address:
    """A file or folder at an address, with what `pathlib.Path` calls the same. inner: POSIX, from the base on."""

    base: Base
    inner: str = ""

    def __str__(self) -> str:
        return f"{self.base.shown}/{self.inner}" if self.inner else self.base.shown

    @property
    def path(self) -> str:
        """In its file system."""
        if not self.inner:
            return self.base.path
        return f"{self.base.path.rstrip('/')}/{quote(self.inner) if self.base.web else self.inner}"

    @property
    def _pure(self) -> PurePosixPath:
        if self.inner or not self.base.web:
            return PurePosixPath(self.path)
        return PurePosixPath(unquote(urlsplit(self.path).path))

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.inner).name or self._pure.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The suffix of the last part, dot included."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Address:
        """The folder that it lies in."""
        if "/" in self.inner:
            return Address(self.base, self.inner.rpartition("/")[0])
        if self.inner:
            return Address(self.base)
        above, shown = (
            text.partition("?")[0].rstrip("/").rpartition("/")[0]
            for text in (self.base.path, self.base.shown)
        )
        return Address(Base(self.base.given, above, shown))

    def __truediv__(self, name: str) -> Address:
        return Address(self.base, f"{self.inner}/{name}" if self.inner else name)

    def _entry(self) -> int | None:
        above, _, name = self.inner.rpartition("/")
        return self.base.folders.get(above, {}).get(name)

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self._entry() is not None if self.inner else self.base.kind == "file"

    def is_dir(self) -> bool:
        """Whether it is a folder: something lies below it."""
        return self.inner in self.base.folders if self.inner else self.base.kind == "directory"

    def is_symlink(self) -> bool:
        """Never: what a link leads to is the server's affair."""
        return False

    def exists(self) -> bool:
        """Whether it is a file or a folder."""
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator[Address]:
        """What lies in a folder, in the order of names."""
        return (self / name for name in sorted(self.base.folders.get(self.inner, {})))

    def resolve(self) -> Address:
        """Itself."""
        return self

    def relative_to(self, other: Address) -> PurePosixPath:
        """The way from a folder above it."""
        return PurePosixPath(self.inner).relative_to(other.inner)

    def listed_size(self, path: str) -> int:
        """Bytes of a file below this folder, -1 where the listing does not tell."""
        size = (self / path)._entry()
        return -1 if size is None else size

    def version(self) -> tuple[int, str]:
        """Bytes, and what else the server says that tells one version from another; raises `OSError`."""
        facts = self.base.facts(self.path)
        if facts.get("size") is None:
            raise OSError(errno.EIO, "the server does not say how large it is")
        return int(facts["size"]), " ".join(f"{facts[mark]}" for mark in _MARKS if facts.get(mark))

    def size(self) -> int:
        """Bytes, as listed or as the server says; raises `OSError`."""
        known = self._entry() if self.inner and "folders" in self.base.__dict__ else None
        if known is not None and known >= 0:
            return known
        return self.version()[0]

    def read_bytes(self, size: int = -1) -> bytes:
        """All of it; size: bytes, where known. Raises `OSError`."""
        return patiently(lambda: whole(self.base.system.cat_file(self.path), size))

    def read_part(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on; raises `OSError`."""
        if size == 0:
            return b""
        return patiently(
            lambda: whole(self.base.system.cat_file(self.path, start=start, end=start + size), size)
        )

    def open(self, mode: str = "rb", size: int = -1) -> io.BufferedReader:
        """A stream over it, which can be moved in. size: bytes, where known. Raises `OSError`."""
        if mode != "rb":
            raise ValueError(f"an address is only read: mode {mode!r}")
        return io.BufferedReader(_Stream(self, self.size() if size < 0 else size), _PIECE)


def address(text: str) -> Address:
    """What an address names, whether there is something or not.

    Raises:
        UserError: it holds credentials, fsspec does not know its protocol, or what reads that is not installed.
    """
    refuse_credentials(text)
    return Address(Base(text, _system(text)[1], text.rstrip("/")))


def matching(pattern: str) -> list[Address]:
    """The files that an address with `*`, `?` or `[…]` names, in the order of their names; raises as `address`, and `OSError`."""
    found = address(pattern)
    protocol = "" if found.base.web else f"{pattern.partition('://')[0]}://"
    paths = patiently(lambda: found.base.system.glob(found.path))
    named = (
        Address(Base(pattern, str(path), f"{protocol}{str(path).lstrip('/')}")) for path in sorted(paths)
    )
    return [one for one in named if one.is_file()]


@dataclass(frozen=True)
class AddressStore:
    """Pictures at an address, as `registry.Store`. sizes: bytes by path, where listed."""

    folder: Address
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return str(self.folder)

    def size(self, path: str) -> int:
        """Bytes, as listed or as the server says; raises `OSError`."""
        return self.sizes[path] if path in self.sizes else (self.folder / path).size()

    def read(self, path: str) -> bytes:
        """All bytes; raises `OSError`."""
        return (self.folder / path).read_bytes(self.sizes.get(path, -1))


class _Stream(SizedStream):
    """A file at an address, read in parts."""

    def __init__(self, file: Address, size: int) -> None:
        super().__init__(size)
        self._file = file

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self.size - self._at))
        buffer[:wanted] = self._file.read_part(self._at, wanted)
        self._at += wanted
        return wanted


_opened: dict[tuple[int, str], tuple[Any, str]] = {}


def _system(given: str) -> tuple[Any, str]:
    """The file system of an address and the path in it. One that was opened before a fork is not used after it."""
    key = os.getpid(), given
    if key not in _opened:
        _opened[key] = _open(given)
    return _opened[key]


def _open(given: str) -> tuple[Any, str]:
    import fsspec

    protocols = [part.partition("://")[0] for part in given.split("::")]
    for protocol in protocols:
        if protocol in _REFUSED or protocol not in fsspec.available_protocols():
            known = [one for one in fsspec.available_protocols() if one not in _REFUSED]
            raise UserError(f"nothing here reads {protocol}:// addresses{nearest(protocol, known)}")
    # one home for patience: the clients' own attempts would multiply ours
    options: dict[str, Any] = {
        "s3": {
            "use_listings_cache": False,
            "max_concurrency": 1,  # more would ask for the size of each file before it is read
            "config_kwargs": {
                "retries": {"total_max_attempts": 1},
                "connect_timeout": 20,
                "read_timeout": 60,
            },
        },
        "http": {"client_kwargs": {"trust_env": True}},
    }
    options |= {"s3a": options["s3"], "https": options["http"]}
    try:
        system, path = fsspec.core.url_to_fs(
            given, **{one: options[one] for one in protocols if one in options}
        )
    except ImportError as error:
        raise UserError(
            f"{protocols[-1]}:// addresses need `pip install 'd3qe-bench[remote]'`, or what fsspec names for others: "
            f"{' '.join(str(error).split())}"
        ) from error
    if "s3" in protocols or "s3a" in protocols:
        getattr(system, "fs", system).retries = 1
    return system, str(path)
