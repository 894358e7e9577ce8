"""Data sets that are ready to be scored: unpacked once, and indexed so that no later run walks or hashes them.

    ROOT/<set>/downloads/…     what was fetched, as it came
    ROOT/<set>/pictures/…      what was in it
    ROOT/<set>/index.parquet   one row per (test set, picture)

The index records where the pictures lie, which may be a read-only folder elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.archives import find_archives, unpack
from benchmarks.datasets.published import PublishedSet
from benchmarks.files import user_folder
from benchmarks.pictures import PictureError, is_picture, picture_file
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import UserError
from registry.files import atomic
from registry.weights import sha256

FOLDER_VARIABLE = "D3QE_BENCH_DATA"
SCHEMA = 1

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
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def index(self) -> Path:
        return self.folder / "index.parquet"


def unpack_all(files: Sequence[Path], target: Path, progress: Callable[[int], None]) -> int:
    """Unpack every archive among the files; the number of archives. Raises `UserError` as `archives.unpack`."""
    found = find_archives(files)
    for name, parts in found.items():
        unpack(name, parts, target, progress)
    return len(found)


def write_index(
    index: Path, test_sets: Sequence[TestSet], root: Path, progress: Callable[[int], None], threads: int = 4
) -> None:
    """Hash every picture once and write the index, whole or not at all. progress: called with 1 per picture."""
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
    table = pa.table(
        [pa.array(list(column), field.type) for column, field in zip(columns, COLUMNS, strict=True)], COLUMNS
    )
    note = json.dumps({"schema": SCHEMA, "root": str(root.resolve())}).encode()
    with atomic(index) as draft:
        noted = table.replace_schema_metadata({_META: note})
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


def read_index(index: Path, name: str) -> tuple[Path, pa.Table]:
    """Root and rows of an index.

    Raises:
        UserError: there is none, or it is damaged or of a newer version.
    """
    try:
        table = pq.read_table(index, page_checksum_verification=True)
        note = json.loads((table.schema.metadata or {})[_META])
        if note["schema"] > SCHEMA:
            raise UserError(f"{index} has schema {note['schema']}, this version reads up to {SCHEMA}")
        return Path(note["root"]), table.select(COLUMNS.names).cast(COLUMNS)
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
    """The test sets of a prepared data set, from its index alone. Raises `UserError` as `read_index`."""
    root, table = read_index(PreparedSet(name).index, name)
    if not root.is_dir():
        raise UserError(f"the pictures of {name} were in {root}, which is not there: prepare it again")
    sets: dict[tuple[str, str, str], list[Picture]] = {}
    for row in zip(*(column.to_pylist() for column in table.itercolumns()), strict=True):
        dataset, generator, paradigm, path, label, digest, size, _ = row
        sets.setdefault((dataset, generator, paradigm), []).append(Picture(path, label, digest, size))
    return [
        TestSet(dataset, root, generator, paradigm, tuple(pictures))
        for (dataset, generator, paradigm), pictures in sets.items()
    ]


def counts(test_sets: Sequence[TestSet]) -> dict[str, tuple[int, int]]:
    """Real and generated pictures by generator."""
    return {one.generator: (one.count(REAL), one.count(FAKE)) for one in test_sets}


def verify(published: PublishedSet, progress: Callable[[int], None], *, quick: bool = False) -> Iterator[str]:
    """What of a prepared data set is missing, extra, changed, or not as published; nothing if all is well.

    quick: compare sizes and do not read the files.

    Raises:
        UserError: as `read_index`.
    """
    root, table = read_index(PreparedSet(published.name).index, published.name)
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
    yield from published.problems(counts(scan(published.name)))


_SHARING = ("universalfakedetect", "beside_real")
"""Layouts whose test sets share real pictures on purpose."""


def facts_of(published: PublishedSet) -> dict[str, Any]:
    """Whether a data set is here, and how much of it."""
    place = PreparedSet(published.name)
    if place.index.is_file():
        try:
            return {"state": "ready", "pictures": pq.read_metadata(place.index).num_rows}
        except (OSError, pa.ArrowException):
            return {"state": "damaged index", "pictures": 0}
    if place.downloads.is_dir() and any(place.downloads.iterdir()):
        return {"state": "downloaded", "pictures": 0}
    return {"state": "can be fetched" if published.fetchable else "get it by hand", "pictures": 0}
