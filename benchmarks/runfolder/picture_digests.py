"""Which pictures a run scored, by content, so that one that several test sets share is known to be one.

    RUN/pictures/dataset=<name>/digests.parquet     columns: path, sha256 (32 bytes)

Written from the fingerprint of the data, which hashes every file anyway; not with `--fingerprint names`,
which reads none, and not by versions before there were any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets.fingerprint import Fingerprint
from registry import TestSet
from registry.errors import UserError
from registry.files import atomic

if TYPE_CHECKING:
    import pandas as pd

_SCHEMA = pa.schema([("path", pa.string()), ("sha256", pa.binary(32))])
_FILE = "digests.parquet"


def write_picture_digests(run: Path, fingerprints: Iterable[tuple[TestSet, Fingerprint]]) -> None:
    """Write those of each test set whose files were hashed, atomically."""
    for test_set, fingerprint in fingerprints:
        if fingerprint.pictures:
            table = _table(fingerprint.pictures)
            with atomic(Path(run, "pictures", f"dataset={quote(test_set.name, safe='')}", _FILE)) as draft:
                # paths and digests hardly repeat: a dictionary of them would only be written twice
                pq.write_table(
                    table, draft, use_dictionary=False, compression="zstd", write_page_checksum=True
                )


def _table(pictures: Mapping[str, str]) -> pa.Table:
    """From buffers: pyarrow loads pandas for lists, half a second before a run's first score."""
    paths = [path.encode() for path in pictures]
    ends = np.cumsum([0, *map(len, paths)]).astype(np.int32)
    columns = [
        pa.StringArray.from_buffers(len(paths), pa.py_buffer(ends), pa.py_buffer(b"".join(paths))),
        pa.Array.from_buffers(
            _SCHEMA.field("sha256").type,
            len(paths),
            [None, pa.py_buffer(bytes.fromhex("".join(pictures.values())))],
        ),
    ]
    return pa.table(columns, _SCHEMA)


def picture_digests(run: Path) -> pd.DataFrame | None:
    """All of a run folder, or None where it has none.

    Columns `dataset`, `path` (as in the score files) and `sha256` (32 bytes): rows of equal `sha256` are
    one picture. A file that could not be read has no row.

    Raises:
        UserError: a file cannot be read.
    """
    import pandas as pd

    frames = []
    for dataset, table in digests_by_set(run).items():
        frame = table.to_pandas()
        frame.insert(0, "dataset", dataset)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else None


def digests_by_set(run: Path) -> dict[str, pa.Table]:
    """Test set → its pictures' `path` and `sha256`, as `picture_digests`; needs no pandas."""
    tables = {}
    for file in sorted(Path(run, "pictures").glob(f"dataset=*/{_FILE}")):
        try:
            with pq.ParquetFile(file, page_checksum_verification=True) as opened:
                table = opened.read().cast(_SCHEMA)
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{file} cannot be read as digests of pictures: {error}") from error
        tables[unquote(file.parent.name.split("=", 1)[1])] = table
    return tables


def byte_strings(digests: pa.ChunkedArray) -> np.ndarray:
    """The column `sha256` as numpy's byte strings, (rows,), without loading pandas."""
    kind = f"S{digests.type.byte_width}"
    chunks = [
        np.frombuffer(chunk.buffers()[1], kind)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in digests.chunks
    ]
    return np.concatenate([np.empty(0, kind), *chunks])
