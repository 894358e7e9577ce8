"""One or several run folders and submissions, as reports read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.metrics.bootstrap import RESAMPLES
from benchmarks.metrics.means import ALL
from benchmarks.metrics.validation import Validation
from benchmarks.runfolder.document import SCHEMA_VERSION
from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.metrics_file import (
    METRICS,
    METRICS_FILE,
    Mean,
    MetricCell,
    MetricsFile,
    read_metrics,
)
from benchmarks.runfolder.record import RECORD_FILE, DetectorRecord, RunRecord, make_record, read_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import cells
from benchmarks.runfolder.sources_digest import sources_digest
from benchmarks.runfolder.submission import is_submission, read_submission, submitted_record
from registry.errors import UserError, unknown_name

ItemT = TypeVar("ItemT", MetricCell, Mean)

Pictures = frozenset[tuple[str, str]]
"""(test set, data fingerprint) pairs: numbers over equal ones can be compared."""


def _nothing_recorded() -> RunRecord:
    return make_record({"schema": SCHEMA_VERSION, "detectors": {}, "datasets": {}, "perturbations": []})


@dataclass(frozen=True)
class Run:
    """One run. label: how it is told from others; metrics, record: its metrics.json and run.json.

    folder: where its score files lie; None where only its metrics are known. plugins: files that the user
    named for it, beside those that it recorded.
    """

    label: str
    metrics: MetricsFile
    record: RunRecord = field(default_factory=_nothing_recorded)
    folder: Path | None = None
    plugins: tuple[Path, ...] = ()

    @property
    def validation(self) -> Validation | None:
        """The validation set that thresholds were chosen on, if one was."""
        calibrated = self.metrics.get("calibrated")
        return Validation(calibrated["on"], calibrated.get("fpr")) if calibrated else None

    @property
    def detectors(self) -> list[str]:
        return list(dict.fromkeys(cell["detector"] for cell in self.metrics["cells"]))

    def fingerprint(self, dataset: str) -> str:
        """Which pictures a test set held; empty where it is not known."""
        known = self.record.datasets.get(dataset)
        return (known and known.fingerprint) or ""

    def view(self, dataset: str) -> str:
        """The fair view of a test set as tables show it, and whether it is a part; empty for a whole one without a view."""
        known = self.record.datasets.get(dataset)
        return known.view if known else ""

    def set_pictures(self) -> dict[str, Pictures]:
        """What each test set held, by name."""
        names = dict.fromkeys(cell["dataset"] for cell in self.cells())
        return {name: frozenset([(name, self.fingerprint(name))]) for name in names}

    def mean_pictures(self, metric: str = "") -> dict[str, Pictures]:
        """What the test sets of each scope held together, by scope of the means.

        metric: one that leaves out a test set covers less.
        """
        about = self.metrics["metrics"].get(metric)
        left_out = about.get("left_out") if about else None
        found: dict[str, Pictures] = {}
        for dataset, paradigm in dict.fromkeys((cell["dataset"], cell["paradigm"]) for cell in self.cells()):
            for scope in (paradigm, ALL):
                pair = (dataset, self.fingerprint(dataset))
                new = frozenset() if dataset == left_out else frozenset([pair])
                found[scope] = found.get(scope, frozenset()) | new
        return found

    def facts(self, detector: str) -> DetectorRecord:
        """What run.json says of a detector, of a group what it says of its first training; else nothing."""
        first = next(iter(self.groups.get(detector, {}).values()), detector)
        return self.record.detectors.get(first) or DetectorRecord()

    def cells(self) -> Iterator[MetricCell]:
        yield from self.metrics["cells"]

    def fed_by_default(self) -> Run:
        """The run without the detectors that were fed in another way than their own."""
        fed = {name for name, facts in self.record.detectors.items() if facts.feed}
        fed |= {name for name, members in self.groups.items() if fed.intersection(members.values())}
        if not fed:
            return self

        def kept(items: Sequence[ItemT]) -> list[ItemT]:
            return [item for item in items if item["detector"] not in fed]

        metrics: MetricsFile = {
            **self.metrics,
            "cells": kept(self.metrics["cells"]),
            "means": kept(self.metrics["means"]),
        }
        if over := self.metrics.get("over_seeds"):
            groups = {name: members for name, members in over["groups"].items() if name not in fed}
            metrics["over_seeds"] = {
                **over,
                "groups": groups,
                "cells": kept(over["cells"]),
                "means": kept(over["means"]),
            }
        return replace(self, metrics=metrics)

    @property
    def groups(self) -> dict[str, dict[str, str]]:
        """Detectors that were trained by several seeds: name → seed → detector of `detectors`."""
        over = self.metrics.get("over_seeds")
        return over["groups"] if over else {}

    @property
    def table_detectors(self) -> list[str]:
        """The detectors as tables show them, like `table_cells`."""
        return list(dict.fromkeys(cell["detector"] for cell in self.table_cells()))

    def table_cells(self) -> list[MetricCell]:
        """The cells as tables show them: trainings of one detector by several seeds as one."""
        over = self.metrics.get("over_seeds")
        return self._together(self.metrics["cells"], over["cells"] if over else [])

    def table_means(self) -> list[Mean]:
        """The means as tables show them, like `table_cells`."""
        over = self.metrics.get("over_seeds")
        return self._together(self.metrics["means"], over["means"] if over else [])

    def _together(self, items: Sequence[ItemT], over: Sequence[ItemT]) -> list[ItemT]:
        """Items of the trainings replaced by those of their groups, where the first of each group stood."""
        group = {label: name for name, members in self.groups.items() for label in members.values()}
        found: list[ItemT] = []
        placed: set[str] = set()
        for item in items:
            name = group.get(item["detector"])
            if name is None:
                found.append(item)
            elif name not in placed:
                placed.add(name)
                found += [one for one in over if one["detector"] == name]
        return found


def read_runs(
    folders: Sequence[Path],
    bootstrap: int | None = None,
    recompute: bool = False,
    calibrate_on: str | None = None,
    fpr: float | None = None,
    plugins: Sequence[Path] = (),
) -> list[Run]:
    """Read run folders, submissions and folders of submissions; a run folder with metrics as `load_metrics` gives them; labels are folder names, with as much of the path as tells them apart.

    Raises:
        UserError: a folder has no readable run.json, or is given twice.
    """
    paths = [path for folder in folders for path in _rows_in(Path(folder).resolve())]
    for path in paths:
        if paths.count(path) > 1:
            raise UserError(f"{path} is given twice")
    return [
        _submitted(label, path)
        if path.is_file()
        else Run(
            label,
            load_metrics(path, bootstrap, recompute, calibrate_on, fpr, plugins),
            read_record(path),
            path,
            tuple(plugins),
        )
        for label, path in zip(_labels(paths), paths, strict=True)
    ]


def _rows_in(path: Path) -> list[Path]:
    """The submissions in a folder that is no run; otherwise the path itself."""
    if path.is_dir() and not (path / RECORD_FILE).exists():
        return sorted(file for file in path.glob("*.json") if is_submission(file)) or [path]
    return [path]


def _submitted(label: str, path: Path) -> Run:
    submission = read_submission(path)
    metrics: MetricsFile = {
        "schema": submission["schema"],
        "bootstrap": submission["bootstrap"],
        "metrics": submission["metrics"],
        "cells": submission["cells"],
        "means": submission["means"],
    }
    return Run(label, metrics, submitted_record(submission, str(path)))


def load_metrics(
    run: Path,
    bootstrap: int | None = None,
    recompute: bool = False,
    calibrate_on: str | None = None,
    fpr: float | None = None,
    plugins: Sequence[Path] = (),
) -> MetricsFile:
    """A run's metrics.json, computed first where it is absent, of other scores or another request, has intervals of an older version,
    or lacks a metric that could not be computed then and can be now.

    bootstrap, calibrate_on, fpr: as `compute_metrics` takes them; None keeps what the file has.
    recompute: compute in any case. plugins: as `recorded_metrics` takes them.

    Raises:
        UserError: the folder has no readable run.json, there is no test set `calibrate_on`, `fpr` asks too much of it,
            the score files are gone, or what has to be computed cannot be kept in the folder.
    """
    known = read_metrics(run)
    had: tuple[int, str | None, float | None] = (RESAMPLES, None, None)
    if known:
        calibrated = known.get("calibrated")
        chosen = (calibrated["on"], calibrated.get("fpr")) if calibrated else (None, None)
        had = known["bootstrap"]["resamples"], *chosen
    wanted = (
        had[0] if bootstrap is None else bootstrap,
        had[1] if calibrate_on is None else calibrate_on,
        had[2] if fpr is None else fpr,
    )
    current = known and wanted == had and not recompute and _is_of(run, known)
    if known and wanted[0] and not all("interval" in facts for facts in known["metrics"].values()):
        current = False  # intervals of an older version, some of which do not cover
    if known and current and not plugins and not known.get("not_computed"):
        return known
    available = recorded_metrics(read_record(run), plugins)
    if known and current and {*available.catalog.names()} <= known["metrics"].keys():
        return known
    if not os.access(run, os.W_OK):
        raise UserError(
            f"{run} cannot be written to, and its metrics, which are kept there, have to be computed: "
            f"copy the folder (`cp -r {run} COPY`) and name the copy"
        )
    return evaluate_run(
        run,
        available.catalog,
        bootstrap=wanted[0],
        calibrate_on=wanted[1],
        fpr=wanted[2],
        not_computed=available.missing,
    )


def _is_of(run: Path, metrics: MetricsFile) -> bool:
    """Whether metrics are those of the scores and the request that the folder has; times of files say nothing of it."""
    if metrics.get("computed_from") == sources_digest(run):
        return True
    if not any(cells(run)) and any(cell["n_real"] + cell["n_fake"] for cell in metrics["cells"]):
        raise UserError(
            f"{run / METRICS_FILE} is of score files that are gone: put them back, or run the command again"
        )
    return False


def _labels(paths: Sequence[Path]) -> list[str]:
    depth = 1
    while True:
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(labels):
            return labels
        depth += 1


def perturbations(runs: Sequence[Run]) -> list[str]:
    """All perturbations of the runs in the order they were asked for."""
    return list(dict.fromkeys(cell["perturbation"] for run in runs for cell in run.cells()))


def directions(runs: Sequence[Run]) -> dict[str, bool]:
    """All metrics of the runs; True where higher is better."""
    return {
        name: bool(facts["higher_is_better"])
        for run in reversed(runs)
        for name, facts in run.metrics["metrics"].items()
    }


def shown_metrics(runs: Sequence[Run]) -> list[str]:
    """What a report shows unless told otherwise: `METRICS`, and what a validation set gave."""
    chosen = [name for run in runs if run.validation for name in run.validation.shown]
    return list(dict.fromkeys([*METRICS, *chosen]))


def check_metrics(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Refuse a metric that no run has, with the nearest name."""
    known = directions(runs)
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)
