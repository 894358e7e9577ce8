"""From a table of labelled pictures, whatever it was read from, to test sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets.paradigms import paradigm_of
from registry.dataset import FAKE, REAL, Picture, Store, TestSet
from registry.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("dataset", "generator", "paradigm")
"""What may be known of a picture beside its label."""
MIXED = "mixed"
_LABELS = {
    "0": REAL,
    "real": REAL,
    "false": REAL,
    "0.0": REAL,
    "1": FAKE,
    "fake": FAKE,
    "true": FAKE,
    "1.0": FAKE,
}


def parse_label(value: str, where: str) -> int:
    """0 real or 1 generated; raises `UserError`, which begins with `where`, for anything else."""
    label = _LABELS.get(value.casefold())
    if label is None:
        raise UserError(
            f"{where}: label {value!r} is not one of 0, 1, real, fake{nearest(value, ('real', 'fake'))}"
        )
    return label


def labelled_sets(
    table: pd.DataFrame, stem: str, source: str, root: Path, store: Store | None = None
) -> list[TestSet]:
    """One test set per `dataset`, else one per `generator`, else one called `stem`.

    table: columns path, label (0 or 1) and `FACTS` (text, empty where not known), and where known sha256 and size; rows are
        counted from 1 in errors. Without any `dataset`, real pictures without a generator belong to every generator's set.
    source: what the table was read from, for errors. root, store: as in `TestSet`.

    Raises:
        UserError: a picture listed twice in one set, or a set without one of the classes.
    """
    return [_make_set(name, rows, root, source, store) for name, rows in _groups(table, stem)]


def _groups(table: pd.DataFrame, stem: str) -> list[tuple[str, pd.DataFrame]]:
    if any(table["dataset"]):
        return [(str(name or stem), rows) for name, rows in table.groupby("dataset", sort=True, dropna=False)]
    generators = sorted(set(table["generator"]) - {""})
    if not generators:
        return [(stem, table)]
    shared = (table["generator"] == "") & (table["label"] == REAL)
    orphans = (table["generator"] == "") & (table["label"] == FAKE)
    groups = [(name, table[(table["generator"] == name) | shared]) for name in generators]
    return [*groups, (stem, table[orphans | shared])] if orphans.any() else groups


def _make_set(name: str, rows: pd.DataFrame, root: Path, source: str, store: Store | None) -> TestSet:
    for label, word in ((REAL, "real"), (FAKE, "fake")):
        if not (rows["label"] == label).any():
            raise UserError(f"{source}: test set {name!r} has no {word} pictures")
    twice = rows["path"].duplicated(keep=False)
    if twice.any():
        first, second = rows.index[rows["path"] == rows["path"][twice].iloc[0]][:2] + 1
        raise UserError(f"{source}: rows {first} and {second} of test set {name!r} are the same picture")
    fakes = rows[rows["label"] == FAKE]
    generator = _only(fakes["generator"], name)
    paradigm = _only(fakes["paradigm"], paradigm_of(generator))
    if paradigm == MIXED:
        raise UserError(f"{source}: test set {name!r} mixes paradigms; give each a dataset of its own")
    known = [rows[name] for name in ("path", "label", "sha256", "size") if name in rows]
    pictures = (Picture(path, int(label), *rest) for path, label, *rest in zip(*known, strict=True))
    listed = tuple(sorted(pictures, key=lambda p: p.path))
    return TestSet(name, root, generator, paradigm, listed, store=store)


def _only(values: pd.Series, default: str) -> str:
    """The one value that is given, `default` where none is, `mixed` where several are."""
    given = set(values) - {""}
    return given.pop() if len(given) == 1 else MIXED if given else default
