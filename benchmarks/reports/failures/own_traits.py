"""What the user knows of the pictures and nothing here can tell: with a face or not, photograph or drawing, its source."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from benchmarks.audits.traits import Traits
from registry.errors import UserError, nearest

_PATH, _DATASET = "path", "dataset"
_TAKEN = ("set", "label", "at", *Traits.__annotations__)


def read(file: Path, datasets: Collection[str]) -> dict[str, pd.DataFrame]:
    """Traits by test set, each by path: every column of a CSV file but `path` and `dataset`; an empty cell is unknown.

    Without a column `dataset` a path stands for that picture of any test set.

    Raises:
        UserError: no such file or column, a test set that the run does not have, or a picture that stands twice.
    """
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"--traits {file}: cannot be read as CSV: {error}") from error
    keys = [name for name in (_DATASET, _PATH) if name in table]
    own = [str(name) for name in table.columns if name not in keys]
    if _PATH not in table or not own:
        raise UserError(
            f"--traits {file}: needs a column path and one for each trait, such as face, has {', '.join(map(str, table.columns)) or 'none'}"
        )
    if taken := [name for name in own if name in _TAKEN]:
        raise UserError(
            f"--traits {file}: call the column {taken[0]} another name, it is read from the pictures"
        )
    if _DATASET in table and (wrong := sorted(set(table[_DATASET]) - set(datasets))):
        raise UserError(f"--traits {file}: the run has no test set {wrong[0]!r}{nearest(wrong[0], datasets)}")
    if (twice := table.duplicated(keys)).any():
        raise UserError(f"--traits {file}: {table.loc[twice, _PATH].iloc[0]} stands twice")
    found = table.mask(table == "")
    of_set = {name: found[found[_DATASET] == name] if _DATASET in table else found for name in datasets}
    return {name: rows.set_index(_PATH)[own] for name, rows in of_set.items() if len(rows)}
