"""A CSV or Parquet table of pictures: columns path, label and, where known, dataset, generator, paradigm."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.datasets.folders import check_inside
from benchmarks.datasets.labelled import FACTS, labelled_sets, parse_label
from benchmarks.datasets.paradigms import check_paradigms
from benchmarks.datasets.parquet_pictures import holds_pictures
from benchmarks.remote import AddressStore, address, is_address
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")
COLUMNS = ("path", "label", *FACTS)


def scan(root: Folder, *, pictures: str | None = None, follow_links: bool = False) -> list[TestSet]:
    """Test sets of a manifest file, one per `dataset`, else one per `generator`, else one named as the file.

    root: the manifest. pictures: the folder that its paths start from; by default the manifest's own.
    label: 0 or real, 1 or fake. Without a `dataset` column, real pictures without a generator belong
    to every generator's test set. Rows are counted from 1, the header not included. A file that is
    not there stays in the set and is reported when it is scored.

    Raises:
        UserError: a column or label that is missing or unknown, a path that leaves the picture
            folder, a picture listed twice in one set, or a set without one of the classes.
    """
    if not root.is_file() or root.suffix.lower() not in SUFFIXES:
        raise LayoutMismatch(f"not a {' or '.join(SUFFIXES)} file")
    if root.suffix.lower() == SUFFIXES[1] and holds_pictures(root):
        raise LayoutMismatch("it holds the pictures themselves")
    base = _folder(pictures) if pictures else root.parent
    if isinstance(base, Path) and not base.is_dir():
        raise UserError(f"the picture folder {base} of {root} does not exist")
    table = _read(root)
    table["label"] = [parse_label(value, f"{root} row {row}") for row, value in _rows(table["label"])]
    table["path"] = [_inside(value, row, base, root) for row, value in _rows(table["path"])]
    if isinstance(base, Path) and not follow_links:
        _check_links(table["path"], base, root)
    check_paradigms({f"row {row}": value for row, value in _rows(table["paradigm"]) if value})
    if isinstance(base, Path):
        return labelled_sets(table, root.stem, str(root), base)
    return labelled_sets(table, root.stem, str(root), Path(), AddressStore(base))


def _folder(pictures: str) -> Folder:
    return address(pictures) if is_address(pictures) else Path(pictures)


def _rows(column: pd.Series) -> Iterable[tuple[int, str]]:
    return enumerate(column, start=1)


def _read(manifest: Folder) -> pd.DataFrame:
    import pandas as pd

    try:
        content = io.BytesIO(manifest.read_bytes())
        if manifest.suffix.lower() == ".csv":
            table = pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            table = pd.read_parquet(content)
    except (OSError, ValueError) as error:
        raise UserError(f"{manifest} cannot be read as a table: {str(error).splitlines()[0]}") from error
    for column in ("path", "label"):
        if column not in table:
            raise UserError(
                f"{manifest} has no column {column!r} (its columns: {', '.join(map(str, table))})"
            )
    columns = {}
    for name in COLUMNS:
        values = table[name] if name in table else pd.Series([""] * len(table))
        columns[name] = ["" if pd.isna(value) else str(value).strip() for value in values]
    if not len(table):
        raise UserError(f"{manifest} lists no pictures")
    return pd.DataFrame(columns)


def _inside(value: str, row: int, base: Folder, manifest: Folder) -> str:
    """The path relative to `base`, normalised."""
    if not value:
        raise UserError(f"{manifest} row {row}: empty path")
    if "\0" in value:
        raise UserError(
            f"{manifest} row {row}: path {value!r} is none: no file name has a null character in it"
        )
    path = value.removeprefix(f"{base}/")
    if isinstance(base, Path) and os.path.isabs(value):
        path = os.path.relpath(value, base.absolute())
    path = posixpath.normpath(PurePosixPath(path).as_posix())
    if (
        path.startswith("../")
        or path in ("..", ".")
        or (not isinstance(base, Path) and (path.startswith("/") or is_address(path)))
    ):
        raise UserError(f"{manifest} row {row}: path {value!r} leaves the picture folder {base}")
    return path


def _check_links(paths: pd.Series, base: Path, manifest: Folder) -> None:
    """Refuse links that lead out of `base`; every folder is looked at once."""
    seen: set[Path] = set()
    for row, path in _rows(paths):
        file = base / path
        suspects = {file.parent} - seen | ({file} if file.is_symlink() else set())
        seen.add(file.parent)
        try:
            for suspect in suspects:
                check_inside(suspect, base)
        except UserError as error:
            raise UserError(f"{manifest} row {row}: {error}") from error
