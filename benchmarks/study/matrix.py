"""A study's result: per detector, training sets × test sets, with means over its own generators, its paradigm and the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.datasets.paradigms import same_generator
from benchmarks.runfolder.scores import CLEAN
from registry import UserError
from registry.errors import nearest

MEANS = ("same generator", "same paradigm", "other paradigms", "all")
"""Test sets of a generator that was trained on; others of its paradigm; of other paradigms; and over all."""


@dataclass(frozen=True)
class Origin:
    """What made a training set's pictures. paradigm: `mixed` where there are several. generators: their names."""

    paradigm: str
    generators: frozenset[str]

    def relation(self, generator: str, paradigm: str) -> str:
        """Which of `MEANS` a test set counts for besides `all`."""
        if any(same_generator(generator, own) for own in self.generators):
            return MEANS[0]
        return MEANS[1] if paradigm == self.paradigm else MEANS[2]


@dataclass(frozen=True)
class MatrixRow:
    """One training set's values. paradigm: of its pictures, `mixed` where there are several.

    values: test set → value, None where there is none. relations: test set → which of `MEANS` it counts for
    besides `all`. means: None where no value counts. A mean over an incomplete row is None, too: it would
    not compare.
    """

    training_set: str
    paradigm: str
    values: Mapping[str, float | None]
    relations: Mapping[str, str]
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
    metrics: Mapping[str, Any],
    detectors: Sequence[str],
    origins: Mapping[str, Origin],
    generators: Mapping[str, str],
    metric: str,
) -> list[Matrix]:
    """Matrices from the content of a run's metrics.json; perturbed cells are left out.

    origins: of each training set. generators: test set → generator.

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
                _row(
                    name,
                    origin.paradigm,
                    {s: found.get((label_of(detector, name), s)) for s in ordered},
                    {s: origin.relation(generators[s], paradigm) for s, paradigm in ordered.items()},
                )
                for name, origin in origins.items()
            ],
        )
        for detector in detectors
    ]


def _row(
    name: str, paradigm: str, values: Mapping[str, float | None], relations: Mapping[str, str]
) -> MatrixRow:
    means = {
        mean: _mean(value for test_set, value in values.items() if mean in (relations[test_set], MEANS[-1]))
        for mean in MEANS
    }
    return MatrixRow(name, paradigm, values, relations, means)


def _mean(values: Iterable[float | None]) -> float | None:
    listed = list(values)
    present = [value for value in listed if value is not None]
    return fmean(present) if present and len(present) == len(listed) else None
