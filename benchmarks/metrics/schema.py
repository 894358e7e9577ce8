"""The shape of metrics.json and of submissions, for people, for type checkers and as JSON Schema.

`metrics.schema.json` and `submission.schema.json` are written by

    python -m benchmarks.metrics.schema FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter

# pydantic asks for this TypedDict before Python 3.12
from typing_extensions import TypedDict

from benchmarks.files import write_json

Count = Annotated[int, Field(ge=0)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]
Status = Literal["complete", "partial", "failed"]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Bootstrap(TypedDict):
    """How the intervals were made; resamples 0: there are none."""

    method: str
    level: float
    resamples: Count
    seed: int


class MetricFacts(TypedDict):
    """What a metric is. left_out: the test set that its means do not include."""

    summary: str
    higher_is_better: bool
    left_out: NotRequired[str]


class Calibrated(TypedDict):
    """The test set on which thresholds were chosen, and the logit for each detector or why there is none."""

    on: str
    thresholds: dict[str, float | str]


class MetricCell(TypedDict):
    """One detector on one test set under one perturbation.

    n_real, n_fake: pictures with a score; n_error: pictures that failed. reason: why the cell is not
    complete or lacks a metric. metrics, ci: None where undefined; undefined: why, by metric.
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
    metrics: dict[str, float | None]
    ci: dict[str, Interval | None]
    undefined: dict[str, str]


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
    metrics: dict[str, float | None]
    ci: dict[str, Interval | None]
    undefined: dict[str, str]


class NotAsked(TypedDict):
    """A cell that has score files though run.json does not ask for it."""

    detector: str
    dataset: str
    perturbation: str


class MetricsFile(TypedDict):
    """metrics.json of a run folder."""

    schema: Literal[1]
    bootstrap: Bootstrap
    calibrated: Calibrated | None
    metrics: dict[str, MetricFacts]
    cells: list[MetricCell]
    means: list[Mean]
    not_asked: list[NotAsked]


class ScoreDigest(TypedDict):
    """What pins the score rows of one cell; see `benchmarks.leaderboard.row.score_digests`."""

    dataset: str
    perturbation: str
    rows: Count
    sha256: Hash


class Submission(TypedDict):
    """One detector's row of the leaderboard. facts, provenance, datasets: as in run.json."""

    schema: Literal[1]
    detector: str
    facts: dict[str, Any]
    provenance: dict[str, Any]
    datasets: dict[str, dict[str, Any]]
    perturbations: list[str]
    bootstrap: Bootstrap
    metrics: dict[str, MetricFacts]
    cells: list[MetricCell]
    means: list[Mean]
    scores: list[ScoreDigest]


SCHEMAS = {"metrics.schema.json": MetricsFile, "submission.schema.json": Submission}


def json_schema(kind: Any) -> dict[str, Any]:
    """JSON Schema (2020-12) of one of the types above."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **TypeAdapter(kind).json_schema()}


def main() -> None:
    folder = Path(sys.argv[1])
    for name, kind in SCHEMAS.items():
        write_json(folder / name, json_schema(kind))


if __name__ == "__main__":
    main()
