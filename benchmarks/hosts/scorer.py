"""One of our detectors as suites want it: a picture in, P(generated) out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.special import expit

from benchmarks.config import RunSettings, parse_settings
from benchmarks.hosts.settings import absolute, check_keys
from benchmarks.loading import Session, open_session
from benchmarks.loading.tensor_float import exact_float32
from benchmarks.pictures import PictureError, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from registry import Catalogs, Pipeline
    from registry.pipeline import Sample

UNSCORED = 0.0
"""The logit a suite gets for a picture that could not be scored, which it then counts like any other."""


class Scorer:
    """One detector, built when it is first asked, preprocessing and weights as `d3qe-bench run` has them.

    settings: the words of a run's configuration; `label` is one of its detectors.
    journal: file that every outcome is appended to. With one, a picture that cannot be scored gets
        the logit `UNSCORED` in the suite and its reason in the journal; without, it raises.
    catalogs: where the detector is registered; all plugins by default, loaded when it is built.
    """

    def __init__(
        self,
        settings: RunSettings,
        label: str,
        journal: Path | None = None,
        catalogs: Catalogs | None = None,
    ) -> None:
        self.settings = absolute(settings)
        self.label = label
        self.journal = journal.absolute() if journal else None
        self.catalogs = catalogs
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The detector with its encoders and what is recorded of it, built when first asked for."""
        if self._session is None:
            wanted = [detector for detector in self.settings.detectors if detector.shown == self.label]
            settings = self.settings.model_copy(update={"detectors": wanted})
            with exact_float32():  # the suite's own detectors keep what they run with
                self._session = open_session(settings, catalogs=self.catalogs, labels=self.settings.labels)
        return self._session

    @property
    def pipeline(self) -> Pipeline:
        """The detector ready to score.

        Raises:
            RuntimeError: its constructor failed.
        """
        if self.session.failed:
            raise RuntimeError(f"{self.label} could not be built: {self.session.failed[self.label]}")
        return self.session.pipeline

    def changed(self, **settings: Any) -> Scorer:
        """A scorer of the same detector with other settings, of `hosts.settings.KEYS`."""
        check_keys(settings, self.label)
        values = {**self.settings.model_dump(), **settings}
        return Scorer(
            parse_settings(RunSettings, values, self.label), self.label, self.journal, self.catalogs
        )

    def release(self) -> None:
        """Let go of the networks; they are built again when the next picture comes."""
        self._session = None

    def probability(self, picture: Path | Image) -> float:
        """P(generated) of one picture, float64."""
        return float(expit(self.logits([picture])[0]))

    def logits(
        self, pictures: Sequence[Path | Image], labels: Iterable[int] | None = None, test_set: str = ""
    ) -> list[float]:
        """Logits of pictures, given as files or decoded.

        labels, test_set: noted in the journal, where the suite tells.
        """
        samples: list[Sample] = []
        outcomes: list[PictureError | None] = []
        for picture in pictures:
            try:
                samples.append(self.pipeline.prepare(self._opened(picture)))
                outcomes.append(None)
            except PictureError as error:
                outcomes.append(error)
        known: Iterable[int | None] = labels or [None] * len(pictures)
        with exact_float32():
            scored = iter(self.pipeline.score(samples)[self.label])
        results = [next(scored) if outcome is None else outcome for outcome in outcomes]
        return [
            self._note({"path": str(picture), "label": label, "test_set": test_set}, outcome)
            for picture, label, outcome in zip(pictures, known, results, strict=True)
        ]

    def _opened(self, picture: Path | Image) -> Image:
        return open_picture(picture, self.settings.max_pixels) if isinstance(picture, Path) else picture

    def _note(self, entry: dict[str, Any], outcome: float | Exception) -> float:
        failed = isinstance(outcome, Exception)
        if self.journal is None:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        entry["logit"] = None if failed else outcome
        entry["error"] = f"{type(outcome).__name__}: {outcome}" if failed else None
        with open(self.journal, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        return UNSCORED if isinstance(outcome, Exception) else outcome


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The outcomes that a scorer noted, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
