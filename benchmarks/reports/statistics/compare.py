"""Every pair of detectors on every test set and mean of a leaderboard: difference, interval, p-values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import Metric, generator, replicates
from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.delong import delong
from benchmarks.metrics.intervals import Way, way_of
from benchmarks.metrics.over_seeds import difference_over_seeds
from benchmarks.reports.cellscores import ScoreReader
from benchmarks.reports.load import Pictures, Run, perturbations
from benchmarks.reports.statistics.paired import (
    Floats,
    bootstrap_p,
    can_be_tested,
    delong_p,
    difference_has_interval,
    difference_interval,
    holm,
    mcnemar,
    order_holds,
)
from benchmarks.runfolder.replicates import kept_replicates, replicates_digest
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import Cell
from benchmarks.runfolder.sharing import find_sharing

BOOTSTRAP, DELONG, MCNEMAR = "paired bootstrap", "DeLong", "McNemar"
SEEDS = "seeds and pictures"

Detector = tuple[str, str]
"""(run label, detector, or the name of several trainings of one)."""

COLUMNS = [
    "metric",
    "perturbation",
    "pictures",
    "test",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "holds",
    "p",
    "p_holm",
]


@dataclass
class CommonScores:
    """What all detectors said of the same pictures: labels (N,), logits (N,) float32 by detector."""

    dataset: str
    pictures: Pictures
    labels: NDArray[np.int64]
    logits: dict[Detector, NDArray[np.float32]] = field(default_factory=dict)


def compare(runs: Sequence[Run], metrics: Sequence[str], read: ScoreReader | None = None) -> pd.DataFrame:
    """All pairs of trained detectors with complete cells over the same pictures.

    One row per metric, perturbation, pictures, test and pair. `first`, `second`: (run, detector).
    `difference`: first − second, with the 95 % interval `low`, `high` from the paired bootstrap, NaN where
    `difference_has_interval` says so; `holds`: share of
    its resamples in which the difference has the same sign, NaN where there is no difference. `p`, and `p_holm` corrected for all pairs of that metric, perturbation, test and pictures. The paired
    bootstrap covers every metric where the runs' metrics have intervals, and so does the test of seeds and pictures
    that takes its place where trainings by several seeds are among the detectors; DeLong's test covers AUROC and
    McNemar's the accuracy of single test sets.
    """
    read = read or ScoreReader()
    resamples = min((run.metrics["bootstrap"]["resamples"] for run in runs if run.folder), default=0)
    seed = next((run.metrics["bootstrap"]["seed"] for run in runs), 0)
    chosen = _functions(runs, metrics)
    columns = {
        pictures for run in runs for pictures in (*run.set_pictures().values(), *run.mean_pictures().values())
    }
    groups = {
        (run.label, name): [(run.label, label) for label in members.values()]
        for run in runs
        for name, members in run.groups.items()
    }
    tables = []
    for perturbation in perturbations(runs):
        found = list(_analytic(list(samples(runs, perturbation, read)), chosen, groups))
        if resamples:
            found += _bootstrap(runs, perturbation, chosen, columns, resamples, seed, read, groups)
        tables += [table.assign(perturbation=perturbation) for table in found]
    return pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


def _functions(runs: Sequence[Run], names: Sequence[str]) -> dict[str, Metric]:
    """The metrics called `names`, each from the plugins of the first run that has it."""
    found: dict[str, Metric] = {}
    for run in runs:
        if run.folder is not None and not found.keys() >= set(names):
            catalog = recorded_metrics(run.record, run.plugins).catalog
            found |= {
                name: catalog.entry(name).load() for name in names if name in catalog and name not in found
            }
    return found


def samples(runs: Sequence[Run], perturbation: str, read: ScoreReader) -> Iterator[CommonScores]:
    """Pictures and logits of the trained detectors with complete cells, one test set at a time."""
    wanted: dict[tuple[str, str], list[tuple[Path, Detector]]] = defaultdict(list)
    for run in runs:
        if run.folder is None:
            continue
        for cell in run.cells():
            fits = cell["perturbation"] == perturbation and cell["status"] == COMPLETE
            if fits and not cell["untrained"]:
                key = (cell["dataset"], run.fingerprint(cell["dataset"]))
                wanted[key].append((run.folder, (run.label, cell["detector"])))
    for (dataset, fingerprint), members in wanted.items():
        by_paths: dict[bytes, CommonScores] = {}
        for folder, detector in members:
            scores = read(folder, Cell(detector[1], dataset, perturbation))
            pictures = frozenset([(dataset, fingerprint)])
            sample = by_paths.setdefault(
                scores.digest, CommonScores(dataset, pictures, scores.labels.astype(int))
            )
            sample.logits[detector] = scores.logits
        yield from by_paths.values()


def _analytic(
    found: Sequence[CommonScores],
    metrics: Mapping[str, Metric],
    groups: Mapping[Detector, Sequence[Detector]],
) -> Iterator[pd.DataFrame]:
    """Tests of single trainings: they know the chance of pictures alone."""
    for sample in found:
        units = _units(list(sample.logits), groups)
        single = {name: members[0] for name, members in units.items() if len(members) == 1}
        detectors = list(single)
        counts = np.bincount(sample.labels, minlength=2)
        if len(detectors) < 2 or counts.min() < 2:
            continue
        logits = np.stack([sample.logits[training] for training in single.values()]).astype(float)
        if "auroc" in metrics:
            auroc, covariance = delong(sample.labels, logits)
            yield _table("auroc", sample.pictures, DELONG, detectors, auroc, delong_p(auroc, covariance))
        if "acc" in metrics:
            right = (logits > 0) == (sample.labels == 1)
            yield _table("acc", sample.pictures, MCNEMAR, detectors, right.mean(1), mcnemar(right))


def _bootstrap(
    runs: Sequence[Run],
    perturbation: str,
    metrics: Mapping[str, Metric],
    columns: set[Pictures],
    resamples: int,
    seed: int,
    read: ScoreReader,
    groups: Mapping[Detector, Sequence[Detector]],
) -> Iterator[pd.DataFrame]:
    """Paired replicates of each test set, and averaged over test sets for the means.

    Those of the evaluation where it kept them, of the same labels and logits with the same seed; others are
    drawn.
    """
    sums: dict[tuple[Pictures, str], dict[Detector, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    fewest: dict[Pictures, int] = {}
    values = {
        (run.label, cell["detector"], cell["dataset"]): cell["metrics"]
        for run in runs
        for cell in run.cells()
        if cell["perturbation"] == perturbation
    }
    sharings = [find_sharing(run.folder) for run in runs if run.folder]
    kept = {run.label: kept_replicates(run.folder, perturbation, list(metrics)) for run in runs if run.folder}
    for sample in samples(runs, perturbation, read):
        counts = np.bincount(sample.labels)
        smaller = max(2, int(counts[counts > 0].min()))
        fewest |= {one: min(smaller, fewest.get(one, smaller)) for one in columns if sample.pictures <= one}
        # one way of drawing for all of them, also where one run lacks the sets that share the pictures
        drawn = (sharing.of(sample.dataset, None, sample.labels, seed) for sharing in sharings)
        shared = next((one for one in drawn if one is not None), None)
        for detector, logits in sample.logits.items():
            known = values[(*detector, sample.dataset)]
            cell = Cell(detector[1], sample.dataset, perturbation)
            digest = replicates_digest(sample.labels, logits, seed, resamples, shared)
            found = kept[detector[0]].get((cell, digest), {})
            lacking = {
                name: metric
                for name, metric in metrics.items()
                if known.get(name) is not None and name not in found
            }
            if lacking:
                rng = generator(seed, sample.dataset)
                found = found | replicates(lacking, sample.labels, logits, resamples, rng, shared)
            for name, replicated in found.items():
                # the value itself rides along as the last replicate
                whole = np.append(replicated, float(known[name] or 0.0))
                for column in columns:
                    if sample.pictures <= column:
                        sums[column, name][detector].append(whole)
    for (column, name), of_detectors in sums.items():
        means = {d: np.mean(parts, axis=0) for d, parts in of_detectors.items() if len(parts) == len(column)}
        units = _units(list(means), groups)
        way = way_of(metrics[name])
        if len(units) < 2 or not can_be_tested(way, fewest[column]):
            continue
        if any(len(members) > 1 for members in units.values()):
            table = _seeds_table(name, column, units, means)
        else:
            stacked = np.stack([means[training] for (training,) in units.values()])
            names, least = list(units), fewest[column]
            table = _bootstrap_table(name, column, names, stacked[:, -1], stacked[:, :-1], way, least)
        if not difference_has_interval(way, fewest[column]):
            table = table.assign(low=np.nan, high=np.nan)
        yield table


def _bootstrap_table(
    metric: str,
    pictures: Pictures,
    detectors: Sequence[Detector],
    values: Floats,
    replicated: Floats,
    way: Way,
    fewest: int,
) -> pd.DataFrame:
    """fewest: pictures of the smaller class of the smallest test set."""
    first, second = np.triu_indices(len(detectors), 1)
    observed, drawn = values[first] - values[second], replicated[first] - replicated[second]
    p = np.full((len(detectors),) * 2, np.nan)
    p[first, second] = bootstrap_p(observed, drawn, way, fewest)
    low, high = difference_interval(observed, drawn, way, fewest)
    return _table(metric, pictures, BOOTSTRAP, detectors, values, p).assign(
        low=low, high=high, holds=order_holds(observed, drawn)
    )


def _units(
    detectors: Sequence[Detector], groups: Mapping[Detector, Sequence[Detector]]
) -> dict[Detector, list[Detector]]:
    """What is compared: detectors, trainings of one group together; a group of which one is lacking, not at all."""
    found: dict[Detector, list[Detector]] = {}
    grouped = {training: name for name, members in groups.items() for training in members}
    for detector in detectors:
        found.setdefault(grouped.get(detector, detector), []).append(detector)
    return {
        name: members for name, members in found.items() if len(members) == len(groups.get(name, members))
    }


def _seeds_table(
    metric: str,
    pictures: Pictures,
    units: Mapping[Detector, Sequence[Detector]],
    found: Mapping[Detector, Floats],
) -> pd.DataFrame:
    """Differences of means over seeds; found: (resamples + 1,) of every training, its own value last."""
    names = list(units)
    stacked = {name: np.stack([found[training] for training in units[name]]) for name in names}
    values = np.array([stacked[name][:, -1].mean() for name in names])
    pairs = list(zip(*np.triu_indices(len(names), 1), strict=True))
    p = np.full((len(names),) * 2, np.nan)
    bounds, holds = [], []
    draws = np.random.default_rng(0)
    resampled = {name: _drawn_seeds(stacked[name][:, :-1], draws) for name in names}
    for i, j in pairs:
        first, second = stacked[names[i]], stacked[names[j]]
        drawn = np.concatenate([first[:, :-1], second[:, :-1]])
        estimate = difference_over_seeds(first[:, -1], second[:, -1], drawn)
        p[i, j] = estimate.p
        bounds.append(estimate.interval())
        difference = resampled[names[i]] - resampled[names[j]]
        holds.append(float(order_holds(np.array([estimate.value]), difference[None])[0]))
    low, high = zip(*bounds, strict=True)
    return _table(metric, pictures, SEEDS, names, values, p).assign(low=low, high=high, holds=holds)


def _drawn_seeds(replicated: Floats, rng: np.random.Generator) -> Floats:
    """Means over seeds (R,) of resamples that draw seeds, too; replicated: (S, R)."""
    seeds, resamples = replicated.shape
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).T / seeds
    return np.asarray((replicated * weights).sum(axis=0))


def _table(
    metric: str, pictures: Pictures, test: str, detectors: Sequence[Detector], values: Floats, p: Floats
) -> pd.DataFrame:
    """One row per pair; values (D,), p (D, D)."""
    first, second = np.triu_indices(len(detectors), 1)
    return pd.DataFrame(
        {
            "metric": metric,
            "pictures": [pictures] * len(first),
            "test": test,
            "first": [detectors[int(i)] for i in first],
            "second": [detectors[int(i)] for i in second],
            "difference": values[first] - values[second],
            "low": np.nan,
            "high": np.nan,
            "holds": np.nan,
            "p": p[first, second],
            "p_holm": holm(p[first, second]),
        }
    )
