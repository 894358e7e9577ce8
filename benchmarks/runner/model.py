"""The registry's pipeline in the shape that mmengine's Runner drives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModel

from benchmarks.runner.preparation import Prepared
from registry import Picture, Pipeline

STOP_AFTER = 16
"""A detector that failed on this many samples in a row is stopped; the others go on."""


@dataclass(frozen=True)
class Scored:
    """One row to be: a finite logit, or the reason there is none."""

    detector: str
    perturbation: str
    picture: Picture
    logit: float | None
    error: str | None

    def row(self, paradigm: str, generator: str) -> dict[str, object]:
        """The columns of the score files that the cell itself does not give."""
        return {
            "paradigm": paradigm,
            "generator": generator,
            "path": self.picture.path,
            "label": self.picture.label,
            "logit": self.logit,
            "score": None if self.logit is None else sigmoid(self.logit),
            "error": self.error,
        }


def autocast_type(precision: str) -> torch.dtype | None:
    """The type that a pipeline's networks run in, None for single precision throughout."""
    return None if precision == "float32" else getattr(torch, precision)


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)) without overflow."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


class ScoringModel(BaseModel):
    """Scores batches of prepared pictures. `stopped` says which detectors gave up, and why.

    The pipeline is kept out of the module tree: it has placed its networks itself, and the Runner
    would move them to the first GPU whatever device was asked for.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.__dict__["pipeline"] = pipeline
        self.stopped: dict[str, str] = {}
        self._in_a_row: Counter[str] = Counter()

    def forward(self, data: Any, detectors: Sequence[str]) -> list[Scored]:
        """As `test_step`."""
        return self.test_step(data, detectors)

    def test_step(self, data: Sequence[Prepared], detectors: Sequence[str] = ()) -> list[Scored]:
        """Score every sample of a batch by every named detector that has not been stopped."""
        names = [name for name in detectors if name not in self.stopped]
        samples, owners, rows = [], [], []
        for prepared in data:
            for perturbation, arrays in prepared.samples.items():
                if isinstance(arrays, str):
                    rows += [Scored(name, perturbation, prepared.picture, None, arrays) for name in names]
                else:
                    owners.append((perturbation, prepared.picture))
                    samples.append({view: torch.from_numpy(array) for view, array in arrays.items()})
        for name, outcomes in self.pipeline.score(samples, names).items():
            for (perturbation, picture), outcome in zip(owners, outcomes, strict=True):
                logit, error = _checked(outcome)
                rows.append(Scored(name, perturbation, picture, logit, error))
                self._count(name, error)
        return rows

    def _count(self, name: str, error: str | None) -> None:
        self._in_a_row[name] = 0 if error is None else self._in_a_row[name] + 1
        if self._in_a_row[name] >= STOP_AFTER and name not in self.stopped:
            self.stopped[name] = f"stopped after {STOP_AFTER} failures in a row, the last: {error}"


def _checked(outcome: float | Exception) -> tuple[float | None, str | None]:
    if isinstance(outcome, Exception):
        return None, f"{type(outcome).__name__}: {' '.join(str(outcome).split())}"
    if not math.isfinite(outcome):
        return None, f"the logit is {outcome}"
    return outcome, None
