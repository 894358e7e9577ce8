"""Is a submission what its run folder gives?

The row is made anew, from run.json, the score files and the registered metrics, and compared with the one that
was submitted, value by value. No field of a row is free text: whatever differs is refused by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.metrics.validation import Validation
from benchmarks.runfolder.document import as_json, short
from benchmarks.runfolder.evaluate import compute_metrics
from benchmarks.runfolder.metrics_file import read_metrics
from benchmarks.runfolder.record import RunRecord, read_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.submission import SubmissionFile, not_worthy, submission_of

TOLERANCE = 1e-9
"""Largest difference of a number between a row and its run."""

_ABSENT = object()
_NAMES = ("dataset", "scope", "perturbation")
"""What tells the items of a list in a row apart."""


def problems(row: SubmissionFile, run: Path, plugins: Sequence[Path] = ()) -> list[str]:
    """Everything in a row that the run folder does not give, by the name of the field; empty for one that holds up.

    plugins: as `recorded_metrics` takes them.
    """
    record = read_record(run)
    detector = row["detector"]
    if detector not in record.detectors:
        return [f"detector: {detector!r} in the row, the run has {', '.join(record.detectors)}"]
    catalog, on = recorded_metrics(record, plugins).catalog, _calibrated_on(row, record)
    fpr = Validation.fpr_named(row["metrics"]) if on else None

    def made_with(resamples: int) -> SubmissionFile:
        metrics = compute_metrics(run, catalog, resamples, calibrate_on=on, fpr=fpr)
        return submission_of(run, record, detector, metrics)

    resamples, known = row["bootstrap"]["resamples"], read_metrics(run)
    made = made_with(resamples)
    found = list(_differences("", as_json(row), as_json(made)))
    if _intervals(found):
        found.insert(0, f"bootstrap.resamples: with {resamples} the run gives other intervals than the row's")
    elif (
        known
        and (computed := known["bootstrap"]["resamples"]) != resamples
        # metrics.json may have been computed again with another number: the row's is right if its intervals need it
        and not _intervals(_differences("", as_json(row), as_json(made_with(computed))))
    ):
        found.insert(0, f"bootstrap.resamples: {resamples} in the row, {computed} in the run")
    unworthy = not_worthy(detector, record.detectors[detector], made["cells"])
    return [*found, *([unworthy] if unworthy else [])]


def _calibrated_on(row: SubmissionFile, record: RunRecord) -> str | None:
    """The test set that chose the thresholds of a row, if any did and the run has it: all such metrics name one."""
    named = Counter(facts["left_out"] for facts in row["metrics"].values() if "left_out" in facts)
    return next((name for name, _ in named.most_common() if name in record.datasets), None)


def _intervals(lines: Iterable[str]) -> bool:
    return any(".ci." in line.partition(": ")[0] for line in lines)


def _differences(place: str, claimed: Any, found: Any) -> Iterator[str]:
    """Both as JSON has them, or `_ABSENT`. place: where they stand, in the words of the row."""
    if isinstance(claimed, Mapping) and isinstance(found, Mapping):
        for key in {**found, **claimed}:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(inner, claimed.get(key, _ABSENT), found.get(key, _ABSENT))
    elif isinstance(claimed, list) and isinstance(found, list):
        for label, one, other in _paired(claimed, found):
            yield from _differences(f"{place}[{label}]", one, other)
    elif not _same(claimed, found):
        yield f"{place}: {_shown(claimed)} in the row, {_shown(found)} in the run"


def _paired(claimed: list[Any], found: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Items of equal names together, the rest in their order, and what one side has too many with `_ABSENT`."""
    left = list(found)
    alone: list[tuple[str, Any]] = []
    for number, item in enumerate(claimed):
        label = _label(item)
        match = next((i for i, other in enumerate(left) if label and _label(other) == label), None)
        if match is None:
            alone.append((label or str(number), item))
        else:
            yield label, item, left.pop(match)
    for number in range(max(len(alone), len(left))):
        other = left[number] if number < len(left) else _ABSENT
        label, item = alone[number] if number < len(alone) else (_label(other) or str(number), _ABSENT)
        yield label, item, other


def _label(item: Any) -> str:
    return (
        " under ".join(str(item[name]) for name in _NAMES if name in item)
        if isinstance(item, Mapping)
        else ""
    )


def _same(claimed: Any, found: Any) -> bool:
    numbers = [isinstance(side, int | float) and not isinstance(side, bool) for side in (claimed, found)]
    if all(numbers):
        return bool(abs(claimed - found) <= TOLERANCE)
    return type(claimed) is type(found) and bool(claimed == found)


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else short(value)
