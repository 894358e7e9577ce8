"""The score files of a run folder: one row per (detector, perturbation, picture), in atomic Parquet shards.

    RUN/scores/detector=<name>/dataset=<name>/perturbation=<name>/*.parquet

Folder names are percent-encoded as pyarrow's hive partitioning reads them, so `AR/VAR` is one level.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.perturbations import CLEAN as CLEAN
from registry.errors import UserError
from registry.files import atomic

if TYPE_CHECKING:
    import pandas as pd  # imported when rows are read: a run begins by writing them

SCHEMA = pa.schema(
    [
        ("detector", pa.string()),
        ("dataset", pa.string()),
        ("paradigm", pa.string()),
        ("generator", pa.string()),
        ("perturbation", pa.string()),
        ("path", pa.string()),
        ("label", pa.int8()),
        ("logit", pa.float32()),
        ("score", pa.float64()),
        ("error", pa.string()),
    ]
)
"""logit: float32, higher = more likely generated; score: sigmoid(logit) in float64, so that confident
pictures are not tied; both null where `error` (null otherwise) says why there is no score."""

_FOLDER_COLUMNS = ("detector", "dataset", "perturbation")
_FILE_SCHEMA = pa.schema(
    [
        # pandas and pyarrow.parquet read folder names as dictionaries and refuse to merge them with text
        field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in _FOLDER_COLUMNS else field
        for field in SCHEMA
    ]
)


@dataclass(frozen=True, order=True)
class Cell:
    """One table cell's coordinates: which detector on which test set under which perturbation."""

    detector: str
    dataset: str
    perturbation: str

    def folder(self, run: Path) -> Path:
        """Where this cell's score files lie."""
        parts = (f"{field.name}={quote(getattr(self, field.name), safe='')}" for field in fields(self))
        return Path(run, "scores", *parts)


def cells(run: Path) -> Iterator[Cell]:
    """All cells of a run folder that have score files, sorted."""
    for folder in sorted(Path(run, "scores").glob("detector=*/dataset=*/perturbation=*")):
        if any(folder.glob("*.parquet")):
            yield Cell(*(unquote(part.split("=", 1)[1]) for part in folder.parts[-3:]))


def write_shard(run: Path, cell: Cell, rows: Sequence[Mapping[Any, object]], name: str = "") -> Path:
    """Write rows of one cell as one file that appears whole or not at all.

    rows: dictionaries of the schema's columns; the cell's own columns are filled in.
    name: file name without suffix; by default a new unique one.
    """
    of_cell = asdict(cell)
    table = pa.Table.from_pylist([{**row, **of_cell} for row in rows], schema=_FILE_SCHEMA)
    return _write(run, cell, table, name or f"part-{uuid.uuid4().hex}")


def _write(run: Path, cell: Cell, table: pa.Table, name: str) -> Path:
    target = cell.folder(run) / f"{name}.parquet"
    with atomic(target) as draft:
        pq.write_table(table, draft, write_page_checksum=True)
    return target


def read_cell(run: Path, cell: Cell, columns: Sequence[str] = tuple(SCHEMA.names)) -> pd.DataFrame:
    """Rows of one cell sorted by path, one per picture.

    A picture that failed and was scored later counts once, with its score.

    columns: what to read; `path` and `error` are always among them.
    """
    wanted = [name for name in SCHEMA.names if name in {*columns, "path", "error"}]
    return _one_per_picture(_table(run, cell, wanted)).to_pandas()


def scored_paths(run: Path, cell: Cell) -> frozenset[str]:
    """Paths of the pictures of one cell that have a score; where there are no files, nothing is loaded to read them."""
    if not any(cell.folder(run).glob("*.parquet")):
        return frozenset()
    table = _table(run, cell, ["path", "error"])
    return frozenset(table["path"].filter(table["error"].is_null()).to_pylist())


@dataclass(frozen=True, eq=False)
class CellRows:
    """Rows of one cell sorted by path, one per picture, as arrays.

    paths: (N,). labels: (N,) int8. logits: (N,) float32, NaN where there is none. errors: by row, of those that failed.
    """

    paths: NDArray[np.object_]
    labels: NDArray[np.int8]
    logits: NDArray[np.float32]
    errors: Mapping[int, str]

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which pictures have a score, (N,)."""
        found = np.isfinite(self.logits)
        found[[*self.errors]] = False
        return found


def read_rows(run: Path, cell: Cell) -> CellRows:
    """What metrics need of one cell: as `read_cell`, without the detour over pandas, which takes three times as long."""
    table = _one_per_picture(_table(run, cell, ["path", "label", "logit", "error"]))
    failed = np.flatnonzero(table["error"].is_valid().to_numpy())
    return CellRows(
        np.array(table["path"].to_pylist(), dtype=object),
        table["label"].to_numpy(),
        np.asarray(table["logit"].to_numpy(), np.float32),
        dict(zip(failed.tolist(), table["error"].take(failed).to_pylist(), strict=True))
        if len(failed)
        else {},
    )


def _table(run: Path, cell: Cell, columns: list[str]) -> pa.Table:
    """All shards of a cell, in the order of their names."""
    tables = [_read_shard(file, columns) for file in sorted(cell.folder(run).glob("*.parquet"))]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table().select(columns)


def _one_per_picture(table: pa.Table) -> pa.Table:
    """Sorted by path; of several rows of a picture the first that has a score, or else the first."""
    import pyarrow.compute as pc  # a second of a run's start, as it loads pandas

    paths = table["path"].combine_chunks()
    if pc.all(pc.less(paths[:-1], paths[1:]), min_count=0).as_py() and not paths.null_count:
        return table
    failed = table.append_column("failed", table["error"].is_valid())
    order = pc.sort_indices(failed, sort_keys=[("path", "ascending"), ("failed", "ascending")])
    table = table.take(order)
    paths = table["path"].combine_chunks()
    again = pc.equal(paths[1:], paths[:-1]).to_numpy(zero_copy_only=False)
    return table.filter(pa.array(np.concatenate([[True], ~again])))


def _read_shard(file: Path, columns: list[str]) -> pa.Table:
    try:
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        stored = pq.ParquetFile(file, page_checksum_verification=True)
        # a file is small: threads take longer to start than to read
        return stored.read(columns=columns, use_threads=False).select(columns).cast(schema)
    # damaged bytes can stand for anything: another name of a column, text that is none
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{file} cannot be read as scores: {' '.join(str(error).split())}") from error


def compact_cell(run: Path, cell: Cell) -> None:
    """Make one sorted file `scores.parquet` of a cell's shards.

    The shards go only after the new file is in place; a kill in between leaves rows that
    `read_cell` counts once.
    """
    shards = sorted(cell.folder(run).glob("*.parquet"))
    if [shard.stem for shard in shards] in ([], ["scores"]):
        return
    table = _one_per_picture(_table(run, cell, SCHEMA.names))
    written = _write(run, cell, table.cast(_FILE_SCHEMA), "scores")
    for shard in shards:
        if shard != written:
            shard.unlink()


def read_scores(run: Path) -> pd.DataFrame:
    """All rows of a run folder, one per (detector, dataset, perturbation, picture)."""
    import pandas as pd

    frames = [read_cell(run, cell) for cell in cells(run)]
    return pd.concat(frames, ignore_index=True) if frames else SCHEMA.empty_table().to_pandas()
