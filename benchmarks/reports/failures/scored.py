"""What several detectors of a run said of the same pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.runfolder.record import DetectorRecord, RunRecord
from benchmarks.runfolder.scores import CLEAN, Cell, read_cell
from registry.dataset import FAKE, REAL
from registry.errors import UserError, unknown_name

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SetScores:
    """One test set under one condition, the pictures that every detector scored.

    paths: (N,). labels: (N,) 0 real or 1 generated. logits: (D, N) float64, finite. thresholds: (D,), the logit
    above which a detector calls a picture generated.
    """

    dataset: str
    paths: NDArray[np.str_]
    labels: NDArray[np.int8]
    logits: Floats
    thresholds: Floats

    @property
    def right(self) -> Bools:
        """(D, N), True where a detector calls a picture what it is."""
        return (self.logits > self.thresholds[:, None]) == (self.labels == FAKE)

    def groups(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """(label, places) of the classes that have pictures."""
        for label in (REAL, FAKE):
            if len(places := np.flatnonzero(self.labels == label)):
                yield label, places

    def without(self, paths: frozenset[str]) -> SetScores:
        """The set less the pictures at `paths`."""
        kept = ~np.isin(self.paths, list(paths))
        return SetScores(
            self.dataset, self.paths[kept], self.labels[kept], self.logits[:, kept], self.thresholds
        )


@dataclass(frozen=True)
class Scored:
    """The sets of one condition, and what was left out of them, in words."""

    detectors: list[str]
    condition: str
    sets: list[SetScores]
    left_out: list[str] = field(default_factory=list)


def read_scored(
    run: Path,
    record: RunRecord,
    detectors: Sequence[str] = (),
    condition: str = CLEAN,
    thresholds: Mapping[str, float] | None = None,
) -> Scored:
    """The pictures that all of `detectors` scored under `condition`, set by set.

    detectors: by default all that are trained, have learned something and are fed in their own way; what scores without
        anything learned is a floor, which would halve what "all miss". thresholds: by detector, 0 (score 0.5) by default.

    Raises:
        UserError: an unknown detector or condition, or fewer than two detectors with scores.
    """
    if condition not in record.perturbations:
        raise unknown_name("condition of this run", condition, record.perturbations)
    for name in detectors:
        if name not in record.detectors:
            raise unknown_name("detector of this run", name, record.detectors)
    left_out = []
    if not detectors:
        own = {name: facts for name, facts in record.detectors.items() if not facts.feed}
        left_out = [f"{name}: {why}" for name, facts in own.items() if (why := _floor(facts))]
        if ways := len(record.detectors) - len(own):
            left_out.append(f"{ways} detectors fed in another way, which `d3qe-bench sensitivity` compares")
        detectors = [name for name, facts in own.items() if not _floor(facts)]
    tables = {
        (name, dataset): _scores(run, Cell(name, dataset, condition))
        for name in detectors
        for dataset in record.datasets
    }
    chosen = [name for name in detectors if any(len(tables[name, dataset]) for dataset in record.datasets)]
    left_out += [f"{name}: it scored no picture" for name in detectors if name not in chosen]
    if len(chosen) < 2:
        raise UserError(
            f"what detectors have in common needs two with scores; {run} has {', '.join(chosen) or 'none'}"
            f"{'; ' + '; '.join(left_out) if left_out else ''}. Name them with --detectors"
        )
    limits = np.array([(thresholds or {}).get(name, 0.0) for name in chosen])
    sets = []
    for dataset in record.datasets:
        columns = [tables[name, dataset] for name in chosen]
        if lacking := [name for name, one in zip(chosen, columns, strict=True) if not len(one)]:
            left_out.append(f"{dataset}: {', '.join(lacking)} scored none of its pictures")
            continue
        joined = pd.concat([one["logit"] for one in columns], axis=1, join="inner").sort_index()
        if lost := max(map(len, columns)) - len(joined):
            left_out.append(f"{dataset}: {lost} pictures that not every detector scored")
        labels = columns[0]["label"].reindex(joined.index).to_numpy(np.int8)
        sets.append(
            SetScores(dataset, joined.index.to_numpy(str), labels, joined.to_numpy(float).T.copy(), limits)
        )
    return Scored(chosen, condition, [one for one in sets if len(one.labels)], left_out)


def _floor(facts: DetectorRecord) -> str:
    """Why a detector is not among those compared, empty where it is."""
    if facts.untrained:
        return "it is untrained"
    needs_weights = (facts.card.model_extra or {}).get("needs_weights", True)
    return "" if needs_weights or facts.encoders else "it has learned nothing"


def _scores(run: Path, cell: Cell) -> pd.DataFrame:
    """label and logit by path, of the pictures with a finite logit."""
    rows = read_cell(run, cell, ("path", "label", "logit"))
    scored = rows["error"].isna() & np.isfinite(rows["logit"].astype(float))
    return rows[scored].set_index("path")[["label", "logit"]].astype({"logit": float})
