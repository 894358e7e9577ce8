"""Bootstrap replicates, kept from the evaluation so that comparisons between detectors need not draw them again.

    RUN/replicates.parquet    one row per replicate; columns: detector, dataset, perturbation, digest, and
                              `metric:<name>` (float64) of every metric that is kept

Kept are the complete cells of trained detectors, which are the ones compared, and of them the metrics that a
report shows unless told otherwise and those that are called once per resample: 8 bytes per value, about
20 kB a cell. Whatever is not there is drawn again, from the same random numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import METHOD
from benchmarks.metrics.shared import SharedPictures
from benchmarks.metrics.tally import Floats
from benchmarks.runfolder.scores import Cell
from registry.files import atomic

REPLICATES_FILE = "replicates.parquet"
_KEY = ("detector", "dataset", "perturbation", "digest")
_PREFIX = "metric:"
_ROWS = b"resamples"


def replicates_digest(
    labels: NDArray[np.integer[Any]],
    logits: NDArray[np.float32],
    seed: int,
    resamples: int,
    shared: SharedPictures | None = None,
) -> str:
    """What the replicates of a cell depend on; labels (N,), logits (N,), both by path."""
    digest = hashlib.sha256(f"{METHOD}\0{seed}\0{resamples}\n".encode())
    digest.update(labels.astype(np.int8).tobytes())
    digest.update(logits.astype(np.float32).tobytes())
    if shared is not None:
        digest.update(f"{sorted(shared.classes)}\n".encode())
        digest.update(shared.identities.tobytes())
    return digest.hexdigest()


class ReplicatesWriter:
    """Takes the replicates of one cell after the other; `flush` ends a group, which is read as a whole."""

    def __init__(self, writer: pq.ParquetWriter, names: Sequence[str]) -> None:
        self.names = names
        self._writer = writer
        self._tables: list[pa.Table] = []

    def add(self, cell: Cell, digest: str, replicates: Mapping[str, Floats]) -> None:
        """Keep those of `names` that the cell has; replicates: (resamples,) by metric."""
        found = {name: replicates[name] for name in self.names if name in replicates}
        if not found:
            return
        rows = len(next(iter(found.values())))
        keys = (cell.detector, cell.dataset, cell.perturbation, digest)
        columns = [pa.array([key] * rows, pa.string()) for key in keys]
        columns += [pa.array(found[n]) if n in found else pa.nulls(rows, pa.float64()) for n in self.names]
        self._tables.append(pa.table(columns, schema=self._writer.schema))

    def flush(self) -> None:
        """Write what was added."""
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables).combine_chunks())
            self._tables.clear()


@contextmanager
def replicates_writer(run: Path, names: Sequence[str], resamples: int) -> Iterator[ReplicatesWriter]:
    """Writes the file of a run atomically. names: the metrics to keep, `resamples` values of each and cell."""
    columns = [(key, pa.string()) for key in _KEY] + [(f"{_PREFIX}{name}", pa.float64()) for name in names]
    schema = pa.schema(columns, metadata={_ROWS: str(resamples)})
    with (
        atomic(Path(run, REPLICATES_FILE)) as draft,
        pq.ParquetWriter(draft, schema, compression="zstd", write_page_checksum=True) as file,
    ):
        writer = ReplicatesWriter(file, names)
        yield writer
        writer.flush()


def kept_replicates(
    run: Path, perturbation: str, names: Sequence[str]
) -> dict[tuple[Cell, str], dict[str, Floats]]:
    """The replicates that a run folder has for a perturbation, by (cell, digest) and metric.

    Nothing where there is no file, or one that cannot be read: they can be drawn again.
    """
    path = Path(run, REPLICATES_FILE)
    try:
        schema = pq.read_schema(path)
        rows = int((schema.metadata or {})[_ROWS])
        columns = [f"{_PREFIX}{name}" for name in names if f"{_PREFIX}{name}" in schema.names]
        table = pq.read_table(
            path,
            columns=[*_KEY, *columns],
            filters=[("perturbation", "=", perturbation)],
            partitioning=None,
            page_checksum_verification=True,
        )
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}
    found: dict[tuple[Cell, str], dict[str, Floats]] = {}
    for start in range(0, len(table), rows):
        part = table.slice(start, rows)
        detector, dataset, _, digest = (part[key][0].as_py() for key in _KEY)
        found[Cell(detector, dataset, perturbation), digest] = {
            name.removeprefix(_PREFIX): part[name].to_numpy() for name in columns if not part[name].null_count
        }
    return found
