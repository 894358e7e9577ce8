"""A study's result: per detector, training sets × test sets, with means over its own generators, its paradigm and the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from benchmarks.datasets.paradigms import same_generator
from benchmarks.metrics.over_seeds import spread_of
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
    not compare. seeds: of several trainings; values and means are then means over these, and spreads says how far they
    are apart, by test set and mean, None where there is no value or one training alone.
    """

    training_set: str
    paradigm: str
    values: Mapping[str, float | None]
    relations: Mapping[str, str]
    means: Mapping[str, float | None]
    seeds: Sequence[int] = ()
    spreads: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it was trained on, how often by which seeds."""
        listed = (
            f", seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"
            if self.seeds
            else ""
        )
        return f"{self.training_set} ({self.paradigm}{listed})"


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
                    {
                        seed: {s: found.get((trained, s)) for s in ordered}
                        for seed, trained in _trainings(metrics, label_of(detector, name)).items()
                    },
                    {s: origin.relation(generators[s], paradigm) for s, paradigm in ordered.items()},
                )
                for name, origin in origins.items()
            ],
        )
        for detector in detectors
    ]


def _trainings(metrics: Mapping[str, Any], label: str) -> dict[int | None, str]:
    """The detectors of a run that stand for `label`, by seed; itself, by None, where it was trained once."""
    groups = metrics.get("over_seeds", {}).get("groups", {})
    if label not in groups:
        return {None: label}
    return {int(seed): trained for seed, trained in groups[label].items()}


def _row(
    name: str,
    paradigm: str,
    of_seeds: Mapping[int | None, Mapping[str, float | None]],
    relations: Mapping[str, str],
) -> MatrixRow:
    """of_seeds: seed → test set → value."""
    columns = {
        **{test_set: [values[test_set] for values in of_seeds.values()] for test_set in relations},
        **{
            mean: [
                _mean(value for test_set, value in values.items() if mean in (relations[test_set], MEANS[-1]))
                for values in of_seeds.values()
            ]
            for mean in MEANS
        },
    }
    means = {column: _mean(values) for column, values in columns.items()}
    return MatrixRow(
        name,
        paradigm,
        {test_set: means[test_set] for test_set in relations},
        relations,
        {mean: means[mean] for mean in MEANS},
        [seed for seed in of_seeds if seed is not None],
        {column: spread_of(values) for column, values in columns.items()},
    )


def _mean(values: Iterable[float | None]) -> float | None:
    listed = list(values)
    present = [value for value in listed if value is not None]
    return fmean(present) if present and len(present) == len(listed) else None
