"""Parquet files that hold the pictures themselves: a column of bytes, or Hugging Face's `image` of bytes and path.

Read by row group: a picture costs the column of its group once, and the last few are kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.labelled import FACTS, parse_label
from benchmarks.datasets.shards import NO_BYTES, UNLABELLED, ShardKind, ShardRow, shards_in, test_sets
from benchmarks.storage import Folder, Place, Version, open_file
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError, nearest

SUFFIX = ".parquet"
KEPT_BYTES = 512 << 20
"""Of decoded row groups, in each process; the newest is kept whatever its size."""


def scan(root: Place, *, image: str = "", label: str = "label") -> list[TestSet]:
    """Test sets of the Parquet files in `root`, or of `root` itself, by the columns beside the pictures, as a manifest's.

    image: column of the pictures; by default the only one of bytes. label: column of the labels; where its
        numbers have names in the file, the names count.

    Raises:
        LayoutMismatch: no Parquet file, or none with such a column.
        UserError: a column that is missing, or a file that is damaged.
    """
    return test_sets(root, kind(root, image, label))


def kind(root: Place, image: str = "", label: str = "") -> ShardKind:
    """How the Parquet files in `root` are read: without a column of labels, none are looked for. Raises as `scan`."""
    image = image or _only_picture(_schema(shards_in(root, (SUFFIX,))[0]))
    return ShardKind(
        "parquet",
        (SUFFIX,),
        partial(_rows, image=image, label=label),
        partial(_read, image=image),
        {"image": image, "label": label},
    )


def holds_pictures(file: Folder) -> bool:
    """Whether a column of a Parquet file holds bytes."""
    try:
        return any(_is_bytes(one.type) or _is_image(one.type) for one in _schema(file))
    except LayoutMismatch:
        return False


def _schema(file: Folder) -> pa.Schema:
    try:
        with open_file(file) as stream, pq.ParquetFile(stream) as parquet:
            return parquet.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise LayoutMismatch(f"{file} cannot be read as Parquet: {_line(error)}") from error


def _only_picture(schema: pa.Schema) -> str:
    """The column that holds pictures. Raises `LayoutMismatch` where there is none, or more than one."""
    found = [one.name for one in schema if _is_bytes(one.type) or _is_image(one.type)]
    if len(found) != 1:
        raise LayoutMismatch(
            f"columns {', '.join(found)} hold bytes: choose one with the option image"
            if found
            else "no column holds the bytes of pictures"
        )
    return str(found[0])


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_image(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and any(
        kind.field(number).name == "bytes" and _is_bytes(kind.field(number).type)
        for number in range(kind.num_fields)
    )


def _rows(shard: Folder, version: Version, *, image: str, label: str) -> Iterator[ShardRow]:
    try:
        with open_file(shard, version) as stream, pq.ParquetFile(stream) as file:
            _check_columns(file.schema_arrow, image, label, str(shard))
            names = _label_names(file.schema_arrow, label)
            columns = [name for name in (image, label, "path", *FACTS) if name in file.schema_arrow.names]
            found: list[ShardRow] = []
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                found += _rows_of_group(table, len(found), image, label, names, str(shard))
    except pa.ArrowException as error:
        raise UserError(f"{shard} is damaged: {_line(error)}") from error
    given = [row.path for row in found]
    # names that do not tell the rows apart, or not all, come after the row's number
    alone = "" not in given and len(set(given)) == len(given)
    for number, row in enumerate(found):
        numbered = "/".join(filter(None, (f"{number:07d}", PurePosixPath(row.path).name)))
        yield row if alone else row._replace(path=numbered)


def _check_columns(schema: pa.Schema, image: str, label: str, where: str) -> None:
    for name in filter(None, (image, label)):
        if name not in schema.names:
            known = ", ".join(schema.names)
            raise UserError(
                f"{where} has no column {name!r}{nearest(name, schema.names)} (its columns: {known})"
            )
    if not _is_bytes(schema.field(image).type) and not _is_image(schema.field(image).type):
        raise UserError(
            f"{where}: the column {image!r} holds no bytes of pictures, but {schema.field(image).type}"
        )


def _label_names(schema: pa.Schema, label: str) -> list[str]:
    """What the numbers of a label stand for, as the `datasets` library writes it beside the columns; else nothing."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in noted["info"]["features"][label]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _rows_of_group(
    table: pa.Table, before: int, image: str, label: str, names: list[str], where: str
) -> Iterator[ShardRow]:
    """Each picture of a row group, by the name it was given. before: rows of the file that come before the group."""
    pictures = _bytes_of(table, image)
    given = _given_names(table, image)
    blank = [""] * len(table)
    labels = _texts(table, label) or blank
    facts = [_texts(table, name) or blank for name in FACTS]
    for number in range(len(table)):
        row = before + number
        said = f"{where} row {row + 1}"
        known = UNLABELLED if not labels[number] else parse_label(_named(labels[number], names, said), said)
        content = pictures[number].as_buffer()
        dataset, generator, paradigm = (column[number] for column in facts)
        yield ShardRow(
            path=_clean(given[number]),
            label=known,
            dataset=dataset,
            generator=generator,
            paradigm=paradigm,
            place=row,
            size=0 if content is None else content.size,
            sha256=NO_BYTES if content is None else hashlib.sha256(content).digest(),
            problem="no bytes of the picture in its row" if content is None else "",
        )


def _named(label: str, names: list[str], where: str) -> str:
    """The name of a numbered label, where numbers have names."""
    if not names:
        return label
    if not label.isdecimal() or int(label) >= len(names):
        raise UserError(f"{where}: label {label!r} has no name (names: {', '.join(names)})")
    return names[int(label)]


def _bytes_of(table: pa.Table, image: str) -> pa.ChunkedArray:
    column = table[image]
    if not pa.types.is_struct(column.type):
        return column
    return pa.chunked_array(
        # not `field`, which forgets that a whole struct may be null
        [chunk.flatten()[chunk.type.get_field_index("bytes")] for chunk in column.chunks],
        column.type.field("bytes").type,
    )


def _given_names(table: pa.Table, image: str) -> list[str]:
    column = table[image]
    if pa.types.is_struct(column.type) and column.type.get_field_index("path") >= 0:
        return [
            str(name or "")
            for chunk in column.chunks
            for name in chunk.flatten()[chunk.type.get_field_index("path")].to_pylist()
        ]
    return _texts(table, "path") or [""] * len(table)


def _texts(table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        return []
    return ["" if value is None else str(value).strip() for value in table[name].to_pylist()]


def _clean(name: str) -> str:
    """A name below the file: of one that leads elsewhere, as on the machine of whoever wrote it, the last part."""
    parts = PurePosixPath(name.replace("\\", "/").replace("\0", "")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        parts = () if not parts or parts[-1] in ("/", "..") else parts[-1:]
    return "/".join(parts)


class _RowGroups:
    """Decoded columns of the row groups that were read last, and what files say of their groups."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked process has to: its copy of the lock may be held by a thread that it does not have."""
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[Version, str, int], pa.ChunkedArray] = OrderedDict()
        self._files: dict[Version, pq.FileMetaData] = {}

    def picture(self, shard: Folder, version: Version, row: int, image: str) -> bytes:
        """The bytes in one row; raises `OSError` where they are not there any more."""
        with self._lock:
            group, within = self._place(self._file(shard, version), row)
            value = self._column(shard, version, group, image)[within].as_py()
        if value is None:
            raise IndexError(row)
        return bytes(value)

    def _file(self, shard: Folder, version: Version) -> pq.FileMetaData:
        if version not in self._files:
            with open_file(shard, version) as stream, pq.ParquetFile(stream) as file:
                self._files[version] = file.metadata
        return self._files[version]

    @staticmethod
    def _place(file: pq.FileMetaData, row: int) -> tuple[int, int]:
        """The row group that a row is in, and its number there."""
        for group in range(file.num_row_groups):
            rows = file.row_group(group).num_rows
            if row < rows:
                return group, row
            row -= rows
        raise IndexError(row)

    def _column(self, shard: Folder, version: Version, group: int, image: str) -> pa.ChunkedArray:
        key = (version, image, group)
        if key in self._groups:
            self._groups.move_to_end(key)
            return self._groups[key]
        with (
            open_file(shard, version) as stream,
            pq.ParquetFile(stream, metadata=self._file(shard, version)) as file,
        ):
            self._groups[key] = _bytes_of(file.read_row_group(group, columns=[image]), image)
        while len(self._groups) > 1 and sum(one.nbytes for one in self._groups.values()) > KEPT_BYTES:
            self._groups.popitem(last=False)
        return self._groups[key]


_row_groups = _RowGroups()
os.register_at_fork(after_in_child=_row_groups.forget)


def _read(shard: Folder, version: Version, place: int, size: int, *, image: str) -> bytes:
    try:
        return _row_groups.picture(shard, version, place, image)
    except (pa.ArrowException, IndexError, KeyError) as error:
        raise OSError(
            errno.EIO, f"{shard.name} has other rows than when it was indexed: {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
