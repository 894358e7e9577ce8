"""Do a run's score files reproduce what a submission claims?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runfolder.evaluate import compute_metrics
from benchmarks.runfolder.record import dumped, read_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.submission import ScoreDigest, SubmissionFile, score_digests

TOLERANCE = 1e-9
"""Largest difference of a metric, or of the end of an interval, between a row and its score files."""


def problems(row: SubmissionFile, run: Path, plugins: Sequence[Path] = ()) -> list[str]:
    """Every way in which the score files of `run` differ from the row; empty for a row that holds up.

    plugins: as `recorded_metrics` takes them.
    """
    record = read_record(run)
    detector = row["detector"]
    if detector not in record.detectors:
        return [f"the run has no detector {detector!r}"]
    bootstrap = row["bootstrap"]
    computed = compute_metrics(
        run, recorded_metrics(record, plugins).catalog, bootstrap["resamples"], bootstrap["seed"]
    )
    return [
        *_data(row, dumped(record)["datasets"]),
        *_scores(row, score_digests(run, record, detector)),
        *_numbers("cells", row, computed),
        *_numbers("means", row, computed),
    ]


def _data(row: Mapping[str, Any], datasets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in sorted({*row["datasets"], *datasets}):
        claimed, found = (side.get(name, {}).get("fingerprint") for side in (row["datasets"], datasets))
        if claimed != found:
            yield f"{name}: the row's data fingerprint is {claimed}, the run's is {found}"


def _scores(row: Mapping[str, Any], found: list[ScoreDigest]) -> Iterator[str]:
    known = {(item["dataset"], item["perturbation"]): item for item in found}
    for item in row["scores"]:
        key = (item["dataset"], item["perturbation"])
        if known.pop(key, None) != item:
            yield f"{key[0]} under {key[1]}: the score rows are not those of the submission"
    for dataset, perturbation in known:
        yield f"{dataset} under {perturbation}: scored, but not in the row"


def _numbers(part: str, row: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[str]:
    key = "dataset" if part == "cells" else "scope"
    mine = [item for item in computed[part] if item["detector"] == row["detector"]]
    known = {(item[key], item["perturbation"]): item for item in mine}
    for item in row[part]:
        where = f"{item[key]} under {item['perturbation']}"
        found = known.pop((item[key], item["perturbation"]), None)
        if found is None or item["detector"] != row["detector"]:
            yield f"{where}: not in the run"
            continue
        for fact in ("untrained", "status", "n_real", "n_fake", "n_error", "n_sets"):
            if item.get(fact) != found.get(fact):
                yield f"{where}: {fact} is {item.get(fact)!r} in the row, {found.get(fact)!r} in the run"
        for name in {**item["metrics"], **found["metrics"]}:
            values = [side["metrics"].get(name) for side in (item, found)]
            if not _same(*values):
                yield f"{where}: {name} is {values[0]} in the row, {values[1]} from the score files"
            bounds = [side["ci"].get(name) or [None, None] for side in (item, found)]
            if not all(_same(claimed, own) for claimed, own in zip(*bounds, strict=True)):
                yield f"{where}: the interval of {name} is {bounds[0]} in the row, {bounds[1]} from the score files"
    for place, perturbation in known:
        yield f"{place} under {perturbation}: not in the row"


def _same(claimed: float | None, found: float | None) -> bool:
    if claimed is None or found is None:
        return claimed is found
    return abs(claimed - found) <= TOLERANCE
