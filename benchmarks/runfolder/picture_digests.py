"""Which pictures a run scored, by content, so that one that several test sets share is known to be one.

    RUN/pictures/dataset=<name>/digests.parquet     columns: path, sha256 (32 bytes)

Written from the fingerprint of the data, which hashes every file anyway; not with `--fingerprint names`,
which reads none, and not by versions before there were any.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

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
            digests = [bytes.fromhex(digest) for digest in fingerprint.pictures.values()]
            table = pa.table({"path": list(fingerprint.pictures), "sha256": digests}, _SCHEMA)
            with atomic(Path(run, "pictures", f"dataset={quote(test_set.name, safe='')}", _FILE)) as draft:
                # paths and digests hardly repeat: a dictionary of them would only be written twice
                pq.write_table(
                    table, draft, use_dictionary=False, compression="zstd", write_page_checksum=True
                )


def picture_digests(run: Path) -> pd.DataFrame | None:
    """All of a run folder, or None where it has none.

    Columns `dataset`, `path` (as in the score files) and `sha256` (32 bytes): rows of equal `sha256` are
    one picture. A file that could not be read has no row.

    Raises:
        UserError: a file cannot be read.
    """
    import pandas as pd

    frames = []
    for file in sorted(Path(run, "pictures").glob(f"dataset=*/{_FILE}")):
        try:
            frame = pq.ParquetFile(file, page_checksum_verification=True).read().cast(_SCHEMA).to_pandas()
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{file} cannot be read as digests of pictures: {error}") from error
        frame.insert(0, "dataset", unquote(file.parent.name.split("=", 1)[1]))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else None
