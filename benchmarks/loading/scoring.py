"""Scores of prepared pictures as rows: a finite logit, or the reason there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.special import expit

from benchmarks.loading.samples import Prepared
from registry import Picture, Pipeline


@dataclass(frozen=True)
class PictureScore:
    """One detector's logit of one picture under one perturbation, or the reason there is none.

    own_fault: the detector raised or gave no finite logit; a picture that cannot be decoded is nobody's.
    """

    detector: str
    perturbation: str
    picture: Picture
    logit: float | None
    error: str | None
    own_fault: bool = False

    def row(self, paradigm: str, generator: str, copy: Picture | None = None) -> dict[str, object]:
        """The columns of the score files that the cell itself does not give; of the same pixels elsewhere, if it is of a copy."""
        picture = copy or self.picture
        return {
            "paradigm": paradigm,
            "generator": generator,
            "path": picture.path,
            "label": picture.label,
            "logit": self.logit,
            "score": None if self.logit is None else float(expit(self.logit)),
            "error": self.error,
        }


def score_prepared(
    pipeline: Pipeline, batch: Sequence[Prepared], detectors: Sequence[str]
) -> list[PictureScore]:
    """Every picture of a batch, under every perturbation, by every named detector."""
    samples, owners, scores = [], [], []
    for prepared in batch:
        for perturbation, arrays in prepared.samples.items():
            if isinstance(arrays, str):
                scores += [
                    PictureScore(name, perturbation, prepared.picture, None, arrays) for name in detectors
                ]
            else:
                owners.append((perturbation, prepared.picture))
                samples.append({view: torch.from_numpy(array) for view, array in arrays.items()})
    for name, outcomes in pipeline.score(samples, detectors).items():
        for (perturbation, picture), outcome in zip(owners, outcomes, strict=True):
            logit, error = _checked(outcome)
            scores.append(PictureScore(name, perturbation, picture, logit, error, error is not None))
    return scores


def _checked(outcome: float | Exception) -> tuple[float | None, str | None]:
    if isinstance(outcome, Exception):
        return None, f"{type(outcome).__name__}: {' '.join(str(outcome).split())}"
    if not math.isfinite(outcome):
        return None, f"the logit is {outcome}"
    return outcome, None
