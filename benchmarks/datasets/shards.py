"""Pictures inside large files, tar shards or Parquet: found by an index that is made once, read by themselves, never unpacked.

    ROOT/shards/<key>.parquet     one row per picture; ROOT is the folder of fetched data sets

The key is made of everything that an index depends on: the address of the file, its size, its modification time (or what else
a server tells of its version), how it is read. A shard that was changed has another key, and bytes that are not
those of the index, by their SHA-256, are never handed out.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from benchmarks.datasets.labelled import FACTS, labelled_sets
from benchmarks.datasets.paradigms import check_paradigms
from benchmarks.progress import ProgressBar
from benchmarks.storage import Folder, Matched, Place, Version, version_of
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError
from registry.files import atomic

SCHEMA = 1
ROWS = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.int8()),
        *((name, pa.string()) for name in FACTS),
        ("place", pa.int64()),
        ("size", pa.int64()),
        ("sha256", pa.binary(32)),
        ("problem", pa.string()),
    ]
)
"""path: in the shard. label: -1 where there is none. place: of the first byte in a tar, of the row in a Parquet file. size:
bytes. problem: why the picture is not read, empty where nothing is wrong with it; its sha256 is that of no bytes then."""

UNLABELLED = -1
NO_BYTES = hashlib.sha256().digest()
_THREADS = 4

logger = logging.getLogger(__name__)

Read = Callable[[Folder, Version, int, int], bytes]
"""The bytes of one picture of a shard, which had this version, by its place and size; raises `OSError` where they cannot be had."""


class ShardRow(NamedTuple):
    """One row of an index, as `ROWS`."""

    path: str
    label: int
    dataset: str
    generator: str
    paradigm: str
    place: int
    size: int
    sha256: bytes
    problem: str = ""


@dataclass(frozen=True)
class ShardKind:
    """A kind of shard. name: of the layout. suffixes: of its files, in small letters.

    rows: reads all of a shard for its index; raises `UserError` where it is damaged or has no labels. how: what else rows depend on.
    """

    name: str
    suffixes: tuple[str, ...]
    rows: Callable[[Folder, Version], Iterator[ShardRow]]
    read: Read
    how: Mapping[str, str] = field(default_factory=dict)


def shards_in(root: Place, suffixes: Sequence[str]) -> list[Folder]:
    """The shards that lie in a folder, that a pattern names, or the one that is named itself, in the order of their names.

    Raises:
        LayoutMismatch: there is none.
    """
    found: list[Folder] = []
    if not isinstance(root, Matched) and root.is_file():
        found = [root]
    elif root.is_dir():
        found = sorted((path for path in root.iterdir() if not path.name.startswith(".")), key=str)
    shards = [path for path in found if path.suffix.lower() in suffixes and path.is_file()]
    if not shards:
        raise LayoutMismatch(f"no {' or '.join(suffixes)} file")
    return shards


@dataclass(frozen=True, eq=False)
class ShardStore:
    """The pictures of some shards, as `registry.Store`.

    address: of the folder that they lie in. names: of the shards, as picture paths begin. read_one: as `ShardKind.read`. rows: of all
    shards, in their order. starts: of these, the first of each shard.
    """

    address: str
    names: tuple[str, ...]
    shards: tuple[Folder, ...]
    versions: tuple[Version, ...]
    read_one: Read
    rows: pa.Table
    starts: np.ndarray

    def __str__(self) -> str:
        return self.address

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_by_path", None)  # made anew, for less than it takes to send it
        return state

    @cached_property
    def _by_path(self) -> dict[str, int]:
        return {path: row for row, path in enumerate(self.paths())}

    def paths(self) -> list[str]:
        """The path of each row, which begins with the name of its shard."""
        own = self.rows["path"].to_pylist()
        shards = np.searchsorted(self.starts, np.arange(len(own)), side="right") - 1
        return [f"{self.names[shard]}/{path}" for shard, path in zip(shards, own, strict=True)]

    def _row(self, path: str) -> int:
        if path not in self._by_path:
            raise FileNotFoundError(errno.ENOENT, "no such picture in its shards")
        return self._by_path[path]

    def size(self, path: str) -> int:
        """Bytes, by the index."""
        return int(self.rows["size"][self._row(path)].as_py())

    def read(self, path: str) -> bytes:
        """Its bytes, which are those of the index.

        Raises:
            OSError: it is none of a shard's files, or its shard is gone or was changed.
        """
        row = self._row(path)
        if problem := self.rows["problem"][row].as_py():
            raise OSError(errno.EINVAL, problem)
        shard = int(np.searchsorted(self.starts, row, side="right")) - 1
        place, size, digest = (self.rows[name][row].as_py() for name in ("place", "size", "sha256"))
        found = self.read_one(self.shards[shard], self.versions[shard], place, size)
        if hashlib.sha256(found).digest() != digest:
            raise OSError(errno.EIO, f"{self.names[shard]} has other bytes than when it was indexed")
        return found


def open_store(root: Place, kind: ShardKind) -> ShardStore:
    """The shards of a folder, pattern or file, indexed now where they were not.

    Raises:
        LayoutMismatch: there is none.
        UserError: one cannot be read, or is damaged.
    """
    shards = shards_in(root, kind.suffixes)
    with ThreadPoolExecutor(_THREADS) as pool:
        versions = tuple(pool.map(_version, shards))
        kept = [_folder() / f"{_key(version, kind)}.parquet" for version in versions]
        tables = dict(enumerate(pool.map(_kept, kept)))
        missing = [number for number, table in tables.items() if table is None]
        if missing:
            made = pool.map(
                lambda number: _made(shards[number], versions[number], kind, kept[number]), missing
            )
            with ProgressBar("indexing", len(missing), unit="shards") as bar:
                for number, table in zip(missing, made, strict=True):
                    tables[number] = table
                    bar.advance()
    known: list[Any] = [tables[number] for number in range(len(shards))]
    starts = np.cumsum([0, *(len(table) for table in known[:-1])])
    names = tuple(shard.name for shard in shards)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"{root} names two shards called {twice}: give the folders of both as data of their own"
        )
    rows = pa.concat_tables(known).combine_chunks()
    address = str(shards[0].parent if isinstance(root, Matched) or root.is_file() else root)
    return ShardStore(address, names, tuple(shards), versions, kind.read, rows, starts)


def test_sets(root: Place, kind: ShardKind) -> list[TestSet]:
    """The test sets of labelled shards, as `labelled_sets` makes them.

    Raises:
        LayoutMismatch: there is no shard.
        UserError: one is damaged, or a picture has no label.
    """
    import pandas as pd

    store = open_store(root, kind)
    columns = {name: store.rows[name].to_pylist() for name in ("label", *FACTS, "size")}
    table = pd.DataFrame({"path": store.paths(), **columns})
    table["sha256"] = [digest.hex() for digest in store.rows["sha256"].to_pylist()]
    # what is not read has no digest that could be told
    bad = np.array([bool(one) for one in store.rows["problem"].to_pylist()])
    table.loc[bad, "sha256"] = ""
    unlabelled = table["path"][table["label"] == UNLABELLED]
    if len(unlabelled):
        more = f", and so have {len(unlabelled) - 1} more" if len(unlabelled) > 1 else ""
        raise UserError(
            f"{root}: {unlabelled.iloc[0]} has no label{more} (data.md says how shards hold them: 0 real, 1 generated)"
        )
    check_paradigms({path: one for path, one in zip(table["path"], table["paradigm"], strict=True) if one})
    return labelled_sets(table, _stem(root), str(root), _local(store.shards[0]), store)


def _stem(root: Place) -> str:
    return root.stem if isinstance(root, Matched) or root.is_file() else root.resolve().name


def _local(shard: Folder) -> Path:
    return shard.parent if isinstance(shard, Path) else Path()


def _version(shard: Folder) -> Version:
    try:
        return version_of(shard)
    except OSError as error:
        raise UserError(f"{shard} cannot be read: {error.strerror}") from error


def _key(version: Version, kind: ShardKind) -> str:
    facts = [SCHEMA, kind.name, dict(kind.how), version.address, version.size, version.mark]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _made(shard: Folder, version: Version, kind: ShardKind, kept: Path) -> pa.Table:
    """The index of one shard, made now and kept; by one of several processes that begin together."""
    with _alone(kept):
        if (known := _kept(kept)) is not None:
            return known
        try:
            columns = list(zip(*kind.rows(shard, version), strict=True)) or [()] * len(ROWS)
        except OSError as error:
            raise UserError(f"{shard} cannot be read: {error.strerror or error}") from error
        table = pa.table(
            [pa.array(list(column), one.type) for column, one in zip(columns, ROWS, strict=True)], ROWS
        )
        try:
            with atomic(kept) as draft:
                pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
        except OSError as error:
            logger.warning(
                "the index of %s cannot be kept (%s): the next run reads the shard again", shard, error
            )
        return table


@contextmanager
def _alone(kept: Path) -> Iterator[None]:
    """Only one process makes an index; where nothing can be locked, each makes its own, and whole files win."""
    lock = FileLock(kept.with_suffix(".lock"))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
        kept.with_suffix(".lock").unlink(missing_ok=True)


def _kept(index: Path) -> pa.Table | None:
    """An index that was kept; None where there is none, or it is damaged and has to be made again."""
    try:
        with pq.ParquetFile(index, page_checksum_verification=True) as file:
            return file.read().select(ROWS.names).cast(ROWS)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        logger.warning("%s is damaged (%s) and made again", index, next(iter(str(error).splitlines()), "?"))
        return None


def _folder() -> Path:
    from benchmarks.datasets.prepared import data_folder

    return data_folder() / "shards"
