"""`metrics.json`: every metric of every cell and mean, with intervals.

Its models are typed dictionaries: rows of numbers that reports read by name, metrics of plugins among them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NotRequired

from pydantic import Field, FiniteFloat, with_config

# pydantic asks for this TypedDict before Python 3.12
from typing_extensions import TypedDict

from benchmarks.files import write_json_by_line
from benchmarks.metrics.intervals import PERCENTILE
from benchmarks.runfolder.document import LENIENT, Count, Number, SchemaVersion, read_document, validated
from benchmarks.runfolder.record import read_record
from benchmarks.runfolder.scores import read_scores

METRICS_FILE = "metrics.json"
_SHOWN = 10
METRICS = ("ap", "acc", "auroc")
"""What a report shows unless told otherwise."""

Interval = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
Status = Literal["complete", "partial", "failed"]


@with_config(LENIENT)
class Bootstrap(TypedDict):
    """How resamples were drawn, and the level of the intervals; resamples 0: there are none."""

    method: str
    level: FiniteFloat
    resamples: Count
    seed: int


@with_config(LENIENT)
class IntervalFacts(TypedDict):
    """How intervals are made, or why there are none; measured: whether `docs/calibration.md` has their coverage."""

    method: str
    measured: bool


@with_config(LENIENT)
class MetricFacts(TypedDict):
    """What a metric is. left_out: the test set that its means do not include.

    interval: absent from older files, whose intervals are the percentile bootstrap's.
    """

    summary: str
    higher_is_better: bool
    left_out: NotRequired[str]
    interval: NotRequired[IntervalFacts]


@with_config(LENIENT)
class Calibrated(TypedDict):
    """The validation set, and what was chosen on its clean pictures for each detector, or why there is none.

    thresholds: the logit above which a picture is called generated for the highest accuracy; at_fpr: for the
    false-positive rate asked for, `fpr`. calibrations: slope and offset that make ln LR of a logit.
    """

    on: str
    thresholds: dict[str, FiniteFloat | str]
    fpr: NotRequired[FiniteFloat | None]
    at_fpr: NotRequired[dict[str, FiniteFloat | str]]
    calibrations: NotRequired[dict[str, Interval | str]]


@with_config(LENIENT)
class Spread(TypedDict):
    """How far a figure's trainings by several seeds are apart; the standard deviation is that of a sample."""

    standard_deviation: FiniteFloat
    lowest: FiniteFloat
    highest: FiniteFloat


@with_config(LENIENT)
class MetricCell(TypedDict):
    """One detector on one test set under one perturbation.

    n_real, n_fake: pictures with a score; n_error: pictures that failed. reason: why the cell is not
    complete or lacks a metric. metrics, ci: None where undefined; undefined: why, by metric; no_interval: why a metric with
    a value has no interval. seeds, spread: of a detector over its trainings, where `metrics` are means over seeds and a
    single training has no spread.
    """

    detector: str
    dataset: str
    paradigm: str
    generator: str
    perturbation: str
    untrained: bool
    n_real: Count
    n_fake: Count
    n_error: Count
    status: Status
    reason: str | None
    metrics: dict[str, Number]
    ci: dict[str, Interval | None]
    undefined: NotRequired[dict[str, str]]
    no_interval: NotRequired[dict[str, str]]
    seeds: NotRequired[list[int]]
    spread: NotRequired[dict[str, Spread | None]]


@with_config(LENIENT)
class Mean(TypedDict):
    """Macro mean of one detector over the test sets of a paradigm, or over all (scope `all`).

    n_sets: test sets with scores, of n_sets_expected.
    """

    detector: str
    perturbation: str
    scope: str
    untrained: bool
    n_sets: Count
    n_sets_expected: Count
    status: Status
    reason: str | None
    metrics: dict[str, Number]
    ci: dict[str, Interval | None]
    undefined: NotRequired[dict[str, str]]
    no_interval: NotRequired[dict[str, str]]
    seeds: NotRequired[list[int]]
    spread: NotRequired[dict[str, Spread | None]]


@with_config(LENIENT)
class OverSeeds(TypedDict):
    """Detectors that were trained by several seeds, as one each. groups: name → seed → detector."""

    groups: dict[str, dict[str, str]]
    cells: list[MetricCell]
    means: list[Mean]


@with_config(LENIENT)
class NotAsked(TypedDict):
    """A cell that has score files though run.json does not ask for it."""

    detector: str
    dataset: str
    perturbation: str


@with_config(LENIENT)
class MetricsFile(TypedDict):
    """metrics.json of a run folder.

    not_computed: metrics that the run had and that this evaluation could not compute, with the reason.
    """

    schema: SchemaVersion
    bootstrap: Bootstrap
    calibrated: NotRequired[Calibrated | None]
    metrics: dict[str, MetricFacts]
    not_computed: NotRequired[dict[str, str]]
    cells: list[MetricCell]
    means: list[Mean]
    over_seeds: NotRequired[OverSeeds]
    not_asked: NotRequired[list[NotAsked]]


def recorded_interval(about: MetricFacts | None) -> IntervalFacts:
    """How a metric's intervals were made; older files have percentiles of the replicates and do not say so."""
    older: IntervalFacts = {"method": PERCENTILE.text, "measured": PERCENTILE.measured}
    return about.get("interval", older) if about else older


def read_metrics(run: Path) -> MetricsFile | None:
    """The metrics of a run folder, or None where none were computed yet; raises as `read_document`."""
    file = Path(run, METRICS_FILE)
    return read_document(file, MetricsFile) if file.is_file() else None


def write_metrics(run: Path, metrics: MetricsFile) -> None:
    """Write metrics.json atomically, one cell per line."""
    write_json_by_line(Path(run, METRICS_FILE), validated(metrics, MetricsFile, METRICS_FILE))


def incomplete(run: Path, metrics: MetricsFile) -> list[str]:
    """Nothing if every cell is complete; else the cells that are not and the pictures that failed.

    A detector that failed with all its cells complete was scored by an earlier command, and is named too.
    """
    scored = {cell["detector"] for cell in metrics["cells"]}
    unfinished = {cell["detector"] for cell in metrics["cells"] if cell["status"] != "complete"}
    lines = [
        f"failed: {name}: {detector.failed}; its scores are those of an earlier command"
        for name, detector in read_record(run).detectors.items()
        if detector.failed and name in scored - unfinished
    ]
    lines += [
        f"{cell['status']}: {cell['detector']} on {cell['dataset']} ({cell['perturbation']}): {cell['reason']}"
        for cell in metrics["cells"]
        if cell["status"] != "complete"
    ]
    if not lines:
        return []
    frame = read_scores(run)
    failed = frame[frame["error"].notna()].drop_duplicates(["dataset", "path", "error"])
    pictures = [f"not scored: {row.dataset}: {row.path}: {row.error}" for row in failed.itertuples()]
    return [
        *_first(lines, "cells"),
        *_first(pictures, f"pictures, see the error column under {run / 'scores'}"),
    ]


def _first(lines: list[str], what: str) -> list[str]:
    if len(lines) <= _SHOWN:
        return lines
    return [*lines[:_SHOWN], f"… and {len(lines) - _SHOWN} more {what}"]
