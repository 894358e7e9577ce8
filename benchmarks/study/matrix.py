"""A study's result: per detector, training sets × test sets, with means within and across paradigms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.runfolder.scores import CLEAN
from registry import UserError
from registry.errors import nearest

MEANS = ("within", "across", "all")


@dataclass(frozen=True)
class MatrixRow:
    """One training set's values. paradigm: of its pictures, `mixed` where there are several.

    values: test set → value, None where there is none. means: within the paradigm it was trained on,
    across to the others, and over all; None where no value counts. A mean over an incomplete row is
    None, too: it would not compare.
    """

    training_set: str
    paradigm: str
    values: Mapping[str, float | None]
    means: Mapping[str, float | None]


@dataclass(frozen=True)
class Matrix:
    """All rows of one detector. test_sets: name → paradigm, in column order."""

    detector: str
    metric: str
    test_sets: Mapping[str, str]
    rows: Sequence[MatrixRow]


def label_of(detector: str, training_set: str) -> str:
    """How a trained detector is called in the study's run."""
    return f"{detector} on {training_set}"


def build_matrices(
    metrics: Mapping[str, Any], detectors: Sequence[str], paradigms: Mapping[str, str], metric: str
) -> list[Matrix]:
    """Matrices from the content of a run's metrics.json; perturbed cells are left out.

    paradigms: training set → paradigm.

    Raises:
        UserError: the cells have no such metric.
    """
    cells = [cell for cell in metrics["cells"] if cell["perturbation"] == CLEAN]
    known = sorted({name for cell in cells for name in cell["metrics"]})
    if known and metric not in known:
        raise UserError(f"unknown metric {metric!r}{nearest(metric, known)} (known: {', '.join(known)})")
    test_sets = {cell["dataset"]: cell["paradigm"] for cell in cells}
    ordered = dict(sorted(test_sets.items(), key=lambda item: (item[1], item[0])))
    found = {
        (cell["detector"], cell["dataset"]): cell["metrics"].get(metric)
        for cell in cells
        if cell["status"] == "complete"
    }
    return [
        Matrix(
            detector,
            metric,
            ordered,
            [
                _row(name, paradigm, ordered, {s: found.get((label_of(detector, name), s)) for s in ordered})
                for name, paradigm in paradigms.items()
            ],
        )
        for detector in detectors
    ]


def _row(
    name: str, paradigm: str, test_sets: Mapping[str, str], values: Mapping[str, float | None]
) -> MatrixRow:
    within = [values[s] for s, other in test_sets.items() if other == paradigm]
    across = [values[s] for s, other in test_sets.items() if other != paradigm]
    means = (_mean(within), _mean(across), _mean(values.values()))
    return MatrixRow(name, paradigm, values, dict(zip(MEANS, means, strict=True)))


def _mean(values: Iterable[float | None]) -> float | None:
    listed = list(values)
    present = [value for value in listed if value is not None]
    return fmean(present) if present and len(present) == len(listed) else None
