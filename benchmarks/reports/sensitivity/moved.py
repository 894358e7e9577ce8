"""How far a detector's metric moves with the way its pictures are fed, from one run that was made with `--feed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.means import ALL
from benchmarks.reports.cellscores import ScoreReader
from benchmarks.reports.load import Run, check_metrics
from benchmarks.reports.statistics.compare import BOOTSTRAP, SEEDS, compare
from benchmarks.reports.statistics.paired import holm
from benchmarks.runfolder.scores import CLEAN, Cell
from registry.errors import UserError

DEFAULT = "default"
"""How the detector's own way is called among the others."""
ALPHA = 0.05


@dataclass(frozen=True)
class Moved:
    """One way of feeding on one test set, or on the mean over all, against the default.

    value: None where it is undefined or a cell is not complete. difference: value less that of the default; low, high: its
    95 % interval from the paired bootstrap; p: of no difference, p_holm corrected for all ways and test sets of the
    detector, or for all ways where it is the mean. None where there is no test. same: no logit differs from the default's.
    """

    value: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    same: bool = False

    @property
    def significant(self) -> bool:
        return self.p_holm is not None and self.p_holm < ALPHA


@dataclass(frozen=True)
class FeedRow:
    """One way of feeding. label: of the detector in the run's tables. sets: by test set; mean: over all."""

    feed: str
    label: str
    sets: Mapping[str, Moved]
    mean: Moved


@dataclass(frozen=True)
class Extremes:
    """The worst and the best way on one test set or the mean, the default among them; range: their distance.

    significant: how many ways differ significantly from the default, of `compared` that were tested.
    """

    default: float
    worst: str
    worst_value: float
    best: str
    best_value: float
    significant: int
    compared: int

    @property
    def range(self) -> float:
        return abs(self.best_value - self.worst_value)


@dataclass(frozen=True)
class Sensitivity:
    """One detector. rows: the default first. left_out: ways that it cannot be fed by or that change nothing, with the reason.

    sets: extremes by test set, without those where the default has no value; mean: of the mean, None without one.
    """

    detector: str
    rows: Sequence[FeedRow]
    left_out: Mapping[str, str]
    sets: Mapping[str, Extremes]
    mean: Extremes | None


@dataclass(frozen=True)
class SensitivityReport:
    """run: its label; metric, higher_is_better; datasets: the test sets in order; detectors: those fed in several ways."""

    run: str
    metric: str
    higher_is_better: bool
    datasets: Sequence[str]
    detectors: Sequence[Sensitivity]

    @property
    def single(self) -> str:
        """The test set where there is only one, so that a mean would repeat it; empty where there are several."""
        return self.datasets[0] if len(self.datasets) == 1 else ""


def make_sensitivity(run: Run, metric: str = "auroc") -> SensitivityReport:
    """Every detector of a run that was fed in several ways, on clean pictures.

    Raises:
        UserError: no such metric, or nothing was fed in another way.
    """
    check_metrics([run], [metric])
    datasets = list(dict.fromkeys(cell["dataset"] for cell in run.cells()))
    higher = bool(run.metrics["metrics"][metric]["higher_is_better"])
    families: dict[str, dict[str, str]] = {}
    for label in run.table_detectors:
        facts = run.facts(label)
        if facts.feed:
            families.setdefault(facts.feed_of, {})[facts.feed] = label
        elif facts.feeds_left_out:
            families.setdefault(label, {})
    found = [
        _sensitivity(run, name, fed, metric, higher, datasets)
        for name, fed in families.items()
        if name in run.table_detectors
    ]
    if not found:
        raise UserError(
            f"{run.label} was fed in one way only: `d3qe-bench sensitivity --data … --detectors … --out RUN` or "
            "`d3qe-bench run --feed all` scores others"
        )
    return SensitivityReport(run.label, metric, higher, datasets, found)


def _sensitivity(
    run: Run, name: str, fed: Mapping[str, str], metric: str, higher: bool, datasets: Sequence[str]
) -> Sensitivity:
    mine = {DEFAULT: name, **fed}
    tests = paired_tests(run, list(mine.values()), metric)
    values = {
        (cell["detector"], cell["dataset"]): cell["metrics"].get(metric)
        for cell in run.table_cells()
        if cell["perturbation"] == CLEAN and cell["status"] == COMPLETE
    }
    means = {
        mean["detector"]: mean["metrics"].get(metric)
        for mean in run.table_means()
        if (mean["perturbation"], mean["scope"], mean["status"]) == (CLEAN, ALL, COMPLETE)
    }
    same = _same(run, name, list(fed.values()), datasets)
    pictures = run.set_pictures()
    whole = run.mean_pictures(metric).get(ALL, frozenset())
    on = {
        (label, dataset): tests.get((label, pictures[dataset]))
        for label in mine.values()
        for dataset in datasets
    }
    # where no logit differs there is nothing to test
    corrected = _corrected({key: test for key, test in on.items() if key not in same})
    alike = {label for label in mine.values() if all((label, dataset) in same for dataset in datasets)}
    of_means = _corrected({label: tests.get((label, whole)) for label in fed.values() if label not in alike})
    rows = []
    for feed, label in mine.items():
        sets = {
            dataset: _moved(
                values.get((label, dataset)),
                values.get((name, dataset)),
                corrected.get((label, dataset)),
                (label, dataset) in same,
            )
            for dataset in datasets
        }
        mean = _moved(means.get(label), means.get(name), of_means.get(label), label in alike)
        rows.append(FeedRow(feed, label, sets, mean))
    extremes = {
        dataset: _extremes({row.feed: row.sets[dataset] for row in rows}, higher) for dataset in datasets
    }
    return Sensitivity(
        name,
        rows,
        dict(run.facts(name).feeds_left_out),
        {dataset: one for dataset, one in extremes.items() if one},
        _extremes({row.feed: row.mean for row in rows}, higher),
    )


@dataclass(frozen=True)
class PairedTest:
    """Of one way against the default: 95 % interval of the difference, None where pictures are too few for one, p-value
    and the corrected one.
    """

    low: float | None
    high: float | None
    p: float
    p_holm: float | None = None


def paired_tests(
    run: Run, labels: Sequence[str], metric: str
) -> dict[tuple[str, frozenset[tuple[str, str]]], PairedTest]:
    """Paired tests of every other way against the first of `labels`, by (label, pictures)."""
    first, *others = labels
    members = {one for label in labels for one in (run.groups.get(label) or {"": label}).values()}
    cells = [
        cell for cell in run.metrics["cells"] if cell["detector"] in members and cell["perturbation"] == CLEAN
    ]
    table = compare([replace(run, metrics={**run.metrics, "cells": cells})], [metric])
    found = {}
    for row in table[table["test"].isin((BOOTSTRAP, SEEDS))].to_dict("records"):
        pair = (row["first"][1], row["second"][1])
        other = next((one for one in pair if one != first), None)
        if first in pair and other in others:
            sign = 1 if pair[0] == other else -1
            low, high = sorted((sign * row["low"], sign * row["high"]))
            known = bool(np.isfinite(low))
            test = PairedTest(low if known else None, high if known else None, row["p"])
            found[str(other), row["pictures"]] = test
    return found


def _corrected(tests: Mapping[object, PairedTest | None]) -> dict[object, PairedTest]:
    """Holm's correction over all tests that were made."""
    made = {key: test for key, test in tests.items() if test is not None and np.isfinite(test.p)}
    p = holm(np.array([test.p for test in made.values()]))
    return {key: replace(test, p_holm=float(one)) for (key, test), one in zip(made.items(), p, strict=True)}


def _moved(value: float | None, default: float | None, test: PairedTest | None, same: bool) -> Moved:
    difference = None if value is None or default is None else value - default
    if test is None or difference is None:
        return Moved(value, difference, same=same)
    return Moved(value, difference, test.low, test.high, test.p, test.p_holm, same)


def _same(run: Run, name: str, labels: Sequence[str], datasets: Sequence[str]) -> set[tuple[str, str]]:
    """(label, test set) whose logits are all those of the default; of several trainings, none."""
    if run.folder is None or name in run.groups:
        return set()
    read = ScoreReader()
    found = set()
    for dataset in datasets:
        own = read(run.folder, Cell(name, dataset, CLEAN))
        for label in labels:
            other = read(run.folder, Cell(label, dataset, CLEAN))
            if other.digest == own.digest and np.array_equal(other.logits, own.logits):
                found.add((label, dataset))
    return found | {(name, dataset) for dataset in datasets}


def _extremes(moved: Mapping[str, Moved], higher: bool) -> Extremes | None:
    known = {feed: one.value for feed, one in moved.items() if one.value is not None}
    if DEFAULT not in known:
        return None
    # of equal ones the first, which is the default where it is among them
    lowest, highest = min(known, key=lambda feed: known[feed]), max(known, key=lambda feed: known[feed])
    worst, best = (lowest, highest) if higher else (highest, lowest)
    tested = [one for one in moved.values() if one.p_holm is not None]
    return Extremes(
        known[DEFAULT],
        worst,
        known[worst],
        best,
        known[best],
        sum(one.significant for one in tested),
        len(tested),
    )


def warning(found: SensitivityReport) -> str:
    """What must not be made of the best way."""
    most = max(len(one.rows) for one in found.detectors)
    return (
        f"The best of {most} ways is chosen on the very pictures that it is shown on, and looks better than it is by chance alone: "
        "it is no result of a detector. Keep the default, or choose on other pictures (--validation)."
    )


def flat(found: SensitivityReport) -> Iterator[dict[str, object]]:
    """One row per detector, way and test set, and per mean (`dataset` is `mean`), for a CSV file."""
    for one in found.detectors:
        for row in one.rows:
            for dataset, moved in {**row.sets, "mean": row.mean}.items():
                yield {
                    "detector": one.detector,
                    "feed": row.feed,
                    "dataset": dataset,
                    "metric": found.metric,
                    "value": moved.value,
                    "difference": moved.difference,
                    "low": moved.low,
                    "high": moved.high,
                    "p": moved.p,
                    "p_holm": moved.p_holm,
                    "same": moved.same,
                }
