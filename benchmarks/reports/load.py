"""Metrics and request of one or several run folders, as reports read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.catalogs import load_catalogs
from benchmarks.leaderboard.row import METRICS_PART, is_row, read_row
from benchmarks.metrics.bootstrap import RESAMPLES
from benchmarks.metrics.evaluate import FILE, evaluate_run
from benchmarks.metrics.means import ALL
from benchmarks.metrics.request import read_json
from registry.errors import UserError, unknown_name

METRICS = ("ap", "acc", "auroc")
"""What a report shows unless told otherwise."""

Pictures = frozenset[tuple[str, str]]
"""(test set, data fingerprint) pairs: numbers over equal ones can be compared."""


@dataclass(frozen=True)
class Run:
    """One run. label: how it is told from others; metrics, request: its metrics.json and run.json.

    folder: where its score files lie; None where only its metrics are known.
    """

    label: str
    metrics: Mapping[str, Any]
    request: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def detectors(self) -> list[str]:
        return list(dict.fromkeys(cell["detector"] for cell in self.metrics["cells"]))

    def fingerprint(self, dataset: str) -> str:
        """Which pictures a test set held; empty where it is not known."""
        return self.request.get("datasets", {}).get(dataset, {}).get("fingerprint") or ""

    def set_pictures(self) -> dict[str, Pictures]:
        """What each test set held, by name."""
        names = dict.fromkeys(cell["dataset"] for cell in self.cells())
        return {name: frozenset([(name, self.fingerprint(name))]) for name in names}

    def mean_pictures(self, metric: str = "") -> dict[str, Pictures]:
        """What the test sets of each scope held together, by scope of the means.

        metric: one that leaves out a test set covers less.
        """
        left_out = self.metrics["metrics"].get(metric, {}).get("left_out")
        found: dict[str, Pictures] = {}
        for cell in self.cells():
            for scope in (cell["paradigm"], ALL):
                pair = (cell["dataset"], self.fingerprint(cell["dataset"]))
                new = frozenset() if cell["dataset"] == left_out else frozenset([pair])
                found[scope] = found.get(scope, frozenset()) | new
        return found

    def facts(self, detector: str) -> Mapping[str, Any]:
        """What run.json says of a detector."""
        return self.request.get("detectors", {}).get(detector, {})

    def cells(self) -> Iterator[Mapping[str, Any]]:
        yield from self.metrics["cells"]


def read_runs(
    folders: Sequence[Path],
    bootstrap: int | None = None,
    recompute: bool = False,
    calibrate_on: str | None = None,
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
        _from_row(label, read_row(path))
        if path.is_file()
        else Run(
            label, load_metrics(path, bootstrap, recompute, calibrate_on), read_json(path / "run.json"), path
        )
        for label, path in zip(_labels(paths), paths, strict=True)
    ]


def _rows_in(path: Path) -> list[Path]:
    """The submissions in a folder that is no run; otherwise the path itself."""
    if path.is_dir() and not (path / "run.json").exists():
        return sorted(file for file in path.glob("*.json") if is_row(file)) or [path]
    return [path]


def _from_row(label: str, row: Mapping[str, Any]) -> Run:
    request = {
        **(row.get("provenance") or {}),
        "detectors": {row["detector"]: row.get("facts") or {}},
        "datasets": row["datasets"],
    }
    return Run(label, {part: row[part] for part in METRICS_PART}, request)


def load_metrics(
    run: Path, bootstrap: int | None = None, recompute: bool = False, calibrate_on: str | None = None
) -> dict[str, Any]:
    """A run's metrics.json, computed first where it is absent or older than the scores.

    bootstrap, calibrate_on: as `compute_metrics` takes them; None keeps what the file has.
    recompute: compute in any case.

    Raises:
        UserError: the folder has no readable run.json, or there is no test set `calibrate_on`.
    """
    file = Path(run, FILE)
    known = read_json(file) if file.is_file() else None
    had = (
        (known["bootstrap"]["resamples"], (known.get("calibrated") or {}).get("on"))
        if known
        else (RESAMPLES, None)
    )
    wanted = (had[0] if bootstrap is None else bootstrap, had[1] if calibrate_on is None else calibrate_on)
    if known and wanted == had and not recompute and not _outdated(file):
        return known
    return evaluate_run(run, load_catalogs().metrics, bootstrap=wanted[0], calibrate_on=wanted[1])


def _outdated(file: Path) -> bool:
    """True where a score file or the request was written after the metrics."""
    run, written = file.parent, file.stat().st_mtime_ns
    sources = (run / "run.json", *(run / "scores").glob("*/*/*/*.parquet"))
    return any(source.stat().st_mtime_ns > written for source in sources if source.exists())


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


def check_metrics(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Refuse a metric that no run has, with the nearest name."""
    known = directions(runs)
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)
