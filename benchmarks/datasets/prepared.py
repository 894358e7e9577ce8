"""Data sets that are ready to be scored: unpacked once, and indexed so that no later run walks or hashes them.

    ROOT/<set>/downloads/…     what was fetched, as it came
    ROOT/<set>/files.json      what was listed to be fetched, bytes by file
    ROOT/<set>/pictures/…      what was in it
    ROOT/<set>/index.parquet   one row per (test set, picture)

The index records where the pictures lie, which may be a read-only folder elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.archives import find_archives, is_archive, unpack
from benchmarks.datasets.published import PublishedSet, published_set
from benchmarks.pictures import PictureError, is_picture, picture_file
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import UserError
from registry.files import atomic, user_folder
from registry.weights import sha256

FOLDER_VARIABLE = "D3QE_BENCH_DATA"
# 1 knew no sets of which only some files were fetched
SCHEMA = 2

COLUMNS = pa.schema(
    [
        ("dataset", pa.string()),
        ("generator", pa.string()),
        ("paradigm", pa.string()),
        ("path", pa.string()),
        ("label", pa.int8()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("format", pa.string()),
    ]
)
"""path: POSIX, from the root in the file's metadata. sha256, size: of the file's bytes. format: Pillow's name of it,
empty where the picture cannot be read."""

_META = b"d3qe_bench"
_SHOWN = 3
_TOGETHER = 1 << 16
"""Rows that are made Python's at once: all of a large index would take several times its memory."""

logger = logging.getLogger(__name__)


def data_folder() -> Path:
    """The folder of fetched data sets: `$D3QE_BENCH_DATA`, else in the user's cache."""
    return user_folder(FOLDER_VARIABLE, "data")


@dataclass(frozen=True)
class PreparedSet:
    """Where the parts of one data set lie."""

    name: str

    @property
    def folder(self) -> Path:
        return data_folder() / self.name

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    @property
    def listing(self) -> Path:
        return self.folder / "files.json"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def index(self) -> Path:
        return self.folder / "index.parquet"

    def not_fetched(self) -> list[str]:
        """Archives and pictures that `data get` listed and that are not here; nothing where nothing was listed."""
        try:
            listed: dict[str, int] = json.loads(self.listing.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        matter = [file for file in listed if is_archive(Path(file)) or is_picture(Path(file))]
        return [file for file in matter if not (self.downloads / file).is_file()]


def unpack_all(files: Sequence[Path], target: Path, progress: Callable[[int], None]) -> int:
    """Unpack every archive among the files; the number of archives. Raises `UserError` as `archives.unpack`."""
    found = find_archives(files)
    for name, parts in found.items():
        unpack(name, parts, target, progress)
    return len(found)


def write_index(
    index: Path,
    test_sets: Sequence[TestSet],
    root: Path,
    progress: Callable[[int], None],
    *,
    absent: Sequence[str] = (),
    threads: int = 4,
) -> None:
    """Hash every picture once and write the index, whole or not at all.

    progress: called with 1 per picture. absent: published files that were not fetched.
    """
    files = sorted({picture.path for test_set in test_sets for picture in test_set.pictures})
    facts: dict[str, tuple[str, int, str]] = {}
    with ThreadPoolExecutor(threads) as pool:
        for path, found in zip(files, pool.map(lambda path: _facts(root / path), files), strict=True):
            facts[path] = found
            progress(1)
    rows = [
        (one.name, one.generator, one.paradigm, picture.path, picture.label, *facts[picture.path])
        for one in test_sets
        for picture in one.pictures
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, COLUMNS, strict=True)]
    write_rows(index, pa.table(arrays, COLUMNS), root, absent)


def write_rows(index: Path, rows: pa.Table, root: Path, absent: Sequence[str] = ()) -> None:
    """Write an index of rows that are known, whole or not at all. rows: with `COLUMNS`; absent: as `write_index`."""
    note = json.dumps({"schema": SCHEMA, "root": str(root.resolve()), "absent": list(absent)}).encode()
    with atomic(index) as draft:
        noted = rows.replace_schema_metadata({_META: note})
        pq.write_table(noted, draft, compression="zstd", write_page_checksum=True)


def _facts(path: Path) -> tuple[str, int, str]:
    try:
        digest, size = sha256(path), path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with picture_file(path) as image:
            return digest, size, str(image.format)
    except PictureError:
        return digest, size, ""


@dataclass(frozen=True)
class Index:
    """root: where the paths of the rows start from. absent: published files that were not fetched."""

    root: Path
    rows: pa.Table
    absent: tuple[str, ...]


def read_index(index: Path, name: str) -> Index:
    """An index with the columns `COLUMNS`.

    Raises:
        UserError: there is none, or it is damaged or of a newer version.
    """
    with _opened(index, name) as (file, note):
        rows = file.read().select(COLUMNS.names).cast(COLUMNS)  # read_table would load pandas
        return Index(Path(note["root"]), rows, tuple(map(str, note.get("absent", ()))))


@contextmanager
def _opened(index: Path, name: str) -> Iterator[tuple[pq.ParquetFile, dict[str, Any]]]:
    """The file of an index and what stands beside its rows; raises as `read_index`, for the whole block."""
    try:
        with pq.ParquetFile(index, page_checksum_verification=True) as file:
            note = json.loads((file.schema_arrow.metadata or {})[_META])
            if note["schema"] > SCHEMA:
                raise UserError(f"{index} has schema {note['schema']}, this version reads up to {SCHEMA}")
            yield file, note
    except FileNotFoundError:
        raise UserError(
            f"data set {name} is not here yet: `d3qe-bench data get {name}`, or "
            f"`d3qe-bench data prepare {name} FOLDER` for one that you have"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"{index} is damaged ({reason}): `d3qe-bench data prepare {name}` makes it again"
        ) from error


def scan(name: str) -> list[TestSet]:
    """The test sets of a prepared data set, from its index alone; says so where they are a part of the published one.

    Raises:
        UserError: as `read_index`.
    """
    found = read_index(PreparedSet(name).index, name)
    if not found.root.is_dir():
        raise UserError(f"the pictures of {name} were in {found.root}, which is not there: prepare it again")
    sets = _test_sets(found, name)
    if parts := [one.name for one in sets if one.absent]:
        logger.warning("%s: in part only are %s", in_part(name, found.absent), ", ".join(parts))
    return sets


def _test_sets(found: Index, name: str) -> list[TestSet]:
    expected = published_set(name).expected
    sets: dict[tuple[str, str, str], list[Picture]] = {}
    for rows in found.rows.to_batches(max_chunksize=_TOGETHER):
        for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            dataset, generator, paradigm, path, label, digest, size, _ = row
            sets.setdefault((dataset, generator, paradigm), []).append(Picture(path, label, digest, size))
    test_sets = []
    for (dataset, generator, paradigm), pictures in sets.items():
        one = TestSet(dataset, found.root, generator, paradigm, tuple(pictures))
        whole = generator in expected and expected[generator].is_whole(one.count(REAL), one.count(FAKE))
        test_sets.append(one if whole else replace(one, absent=found.absent))
    return test_sets


def in_part(name: str, absent: Sequence[str]) -> str:
    """That published files were not fetched, which, and what fetches them."""
    more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    files = f"{len(absent)} published file{'s' if len(absent) > 1 else ''}"
    return (
        f"{files} of {name} {'were' if len(absent) > 1 else 'was'} not fetched ({', '.join(absent[:_SHOWN])}{more}; "
        f"`d3qe-bench data get {name}` fetches the rest)"
    )


def counts(test_sets: Sequence[TestSet]) -> dict[str, tuple[int, int]]:
    """Real and generated pictures by generator."""
    return {one.generator: (one.count(REAL), one.count(FAKE)) for one in test_sets}


def verify(published: PublishedSet, progress: Callable[[int], None], *, quick: bool = False) -> Iterator[str]:
    """What of a prepared data set is missing, extra, changed, or not as published; nothing if all is well.

    quick: compare sizes and do not read the files.

    Raises:
        UserError: as `read_index`.
    """
    found = read_index(PreparedSet(published.name).index, published.name)
    root, table = found.root, found.rows
    known: dict[str, tuple[str, int]] = dict(
        zip(
            table["path"].to_pylist(),
            zip(table["sha256"].to_pylist(), table["size"].to_pylist(), strict=True),
            strict=True,
        )
    )
    for path, (digest, size) in sorted(known.items()):
        file = root / path
        progress(1)
        if not file.is_file():
            yield f"missing: {path}"
        elif file.stat().st_size != size or not (quick or sha256(file) == digest):
            yield f"changed: {path}"
    folders = {str(Path(path).parent) for path in known}
    for folder in sorted(folders):
        for file in sorted((root / folder).iterdir()) if (root / folder).is_dir() else ():
            relative = file.relative_to(root).as_posix()
            if file.is_file() and is_picture(file) and relative not in known:
                yield f"extra: {relative}"
    for path, count in Counter(table["path"].to_pylist()).items():
        if count > 1 and published.layout not in _SHARING:
            yield f"in {count} test sets: {path}"
    if found.absent:
        yield in_part(published.name, found.absent)
    yield from published.problems(counts(_test_sets(found, published.name)))


_SHARING = ("universalfakedetect", "beside_real")
"""Layouts whose test sets share real pictures on purpose."""


def facts_of(published: PublishedSet) -> dict[str, Any]:
    """Whether a data set is here, and how much of it; of an index only what it says of itself is read."""
    place = PreparedSet(published.name)
    if place.index.is_file():
        try:
            with _opened(place.index, published.name) as (file, note):
                state = "ready, in part" if note.get("absent") else "ready"
                return {"state": state, "pictures": file.metadata.num_rows}
        except UserError:
            return {"state": "damaged index", "pictures": 0}
    if place.downloads.is_dir() and any(place.downloads.iterdir()):
        return {"state": "downloaded", "pictures": 0}
    return {"state": "can be fetched" if published.fetchable else "get it by hand", "pictures": 0}
