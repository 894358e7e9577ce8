"""The pictures that a run scored, where they can be found again, and their traits.

    RUN/pictures/dataset=<name>/traits.parquet     columns: path, width, height, format, quality, saturation

Traits are read once and kept beside the digests of the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.audits.traits import Traits, read_traits
from benchmarks.config import RunSettings
from benchmarks.datasets import requested_test_sets
from benchmarks.datasets.fair import name_in_view
from benchmarks.loading import load_catalogs
from benchmarks.pictures import PictureError
from benchmarks.runfolder.picture_digests import picture_digests
from benchmarks.runfolder.record import RunRecord
from registry import Picture, PictureFile, TestSet, UserError
from registry.dataset import REAL
from registry.files import atomic
from registry.weights import sha256

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("quality", pa.int16()),
        ("saturation", pa.float32()),
    ]
)
_FILE = "traits.parquet"


@dataclass(frozen=True)
class PicturesAtHand:
    """Files of a run's test sets. sets: those that were found, by name in the run."""

    run: Path
    sets: dict[str, TestSet]

    @cached_property
    def _digests(self) -> dict[tuple[str, str], str]:
        table = picture_digests(self.run)
        if table is None:
            return {}
        keys = zip(table["dataset"], table["path"], strict=True)
        return {key: digest.hex() for key, digest in zip(keys, table["sha256"], strict=True)}

    def file(self, dataset: str, path: str) -> PictureFile | None:
        """A picture's file; None where it is gone, or is no longer the one that was scored."""
        if dataset not in self.sets:
            return None
        file = self.sets[dataset].file(Picture(path, REAL))
        if isinstance(file, Path):
            root = self.sets[dataset].root.resolve()
            file = file.resolve()
            if not file.is_relative_to(root) or not file.is_file():
                return None
        wanted = self._digests.get((dataset, path))
        try:
            return file if wanted is None or sha256(file) == wanted else None
        except OSError:
            return None

    def traits(self, dataset: str, paths: Sequence[str], progress: Callable[[int], None]) -> pd.DataFrame:
        """Traits by path, of the pictures that can be read; progress: called with 1 per picture that is read now."""
        kept = Path(self.run, "pictures", f"dataset={quote(dataset, safe='')}", _FILE)
        known = _read(kept)
        missing = [path for path in paths if path not in known.index]
        if missing and dataset in self.sets:
            fresh: list[dict[Any, Any]] = []
            for path in missing:
                found = self._traits(dataset, path)
                fresh += [{"path": path, **asdict(found)}] if found else []
                progress(1)
            if fresh:
                rows = [
                    {str(key): None if value != value else value for key, value in row.items()}
                    for row in [*known.reset_index().astype(object).to_dict("records"), *fresh]
                ]
                table = pa.Table.from_pylist(rows, _SCHEMA)
                if os.access(self.run, os.W_OK):  # else they are read again the next time
                    with atomic(kept) as draft:
                        pq.write_table(table, draft)
                known = _indexed(table)
        return known.reindex([path for path in paths if path in known.index])

    def _traits(self, dataset: str, path: str) -> Traits | None:
        file = self.file(dataset, path)
        try:
            return read_traits(file) if file else None
        except PictureError:
            return None


def _read(file: Path) -> pd.DataFrame:
    if not file.is_file():
        return _indexed(_SCHEMA.empty_table())
    try:
        return _indexed(pq.ParquetFile(file).read().cast(_SCHEMA))
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{file} cannot be read as traits of pictures, delete it: {error}") from error


def _indexed(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas().set_index("path")


def find_again(run: Path, record: RunRecord, data: Sequence[str] = ()) -> PicturesAtHand:
    """The files of a run's test sets, looked for as the run did.

    data: where they lie now, as the run's `--data`; by default where they lay then.

    Raises:
        UserError: nothing is there, or it is read as other test sets.
    """
    # not those that choose among what is found: sets that the run did not ask for, or that are gone, are no mistake,
    # and a fair view of them may fail
    keys = ("data", "layout", "data_options", "plugins")
    asked = {key: record.config[key] for key in keys if key in record.config}
    settings = RunSettings.model_validate({**asked, **({"data": list(data)} if data else {})})
    catalogs = load_catalogs([path for path in settings.plugins if path.is_file()])
    found = {name_in_view(one.name, record.fair): one for one in requested_test_sets(settings, catalogs)}
    sets = {name: one for name, one in found.items() if name in record.datasets}
    if not sets:
        raise UserError(f"{', '.join(settings.data)} holds {', '.join(found)}, none of which {run} scored")
    return PicturesAtHand(run, sets)
