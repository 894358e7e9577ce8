"""The registry's pipeline in the shape that mmengine's Runner drives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel

from benchmarks.loading.samples import Prepared
from benchmarks.loading.scoring import PictureScore, score_prepared
from registry import Pipeline

STOP_AFTER = 16
"""A detector that failed on this many pictures in a row is stopped; the others go on."""


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

    def forward(self, data: Any, detectors: Sequence[str]) -> list[PictureScore]:
        """As `test_step`."""
        return self.test_step(data, detectors)

    def test_step(self, data: Sequence[Prepared], detectors: Sequence[str] = ()) -> list[PictureScore]:
        """Score every picture of a batch by every named detector that has not been stopped."""
        names = [name for name in detectors if name not in self.stopped]
        scores = score_prepared(self.pipeline, data, names)
        for name in names:
            self._count(name, [one for one in scores if one.detector == name])
        return scores

    def _count(self, name: str, scores: Sequence[PictureScore]) -> None:
        """A picture counts once, however many conditions it was scored under: as failed where none worked."""
        tried: dict[str, list[PictureScore]] = {}
        for one in scores:
            if one.logit is not None or one.own_fault:
                tried.setdefault(one.picture.path, []).append(one)
        for of_picture in tried.values():
            failed = all(one.own_fault for one in of_picture)
            self._in_a_row[name] = self._in_a_row[name] + 1 if failed else 0
            if self._in_a_row[name] >= STOP_AFTER and name not in self.stopped:
                last = of_picture[-1].error
                self.stopped[name] = f"stopped after {STOP_AFTER} failures in a row, the last: {last}"
