"""What a study's configuration may say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from benchmarks.config import DetectorSettings, Settings
from benchmarks.training.settings import Seeds, SplitSettings


class TrainingSet(Settings):
    """One set that every detector is trained on."""

    data: SplitSettings = Field(description="training pictures")
    validation: SplitSettings | None = Field(None, description="validation pictures")


class StudyDetector(DetectorSettings):
    """One detector of a study, or a grid of its options."""

    grid: dict[str, list[Any] | dict[str, Any]] = Field(
        {},
        description="options of which every combination is a detector of its own: values, or a name in tables for each",
    )

    def combinations(self) -> Iterator[StudyDetector]:
        """The detectors of the grid, each called by the values that it has; itself without a grid."""
        axes = [
            [(option, name, value) for name, value in _named(option, values)]
            for option, values in self.grid.items()
        ]
        for chosen in product(*axes):
            options = {**self.options, **{option: value for option, _, value in chosen}}
            label = " ".join([self.shown, *(name for _, name, _ in chosen)])
            yield self.model_copy(
                update={"label": label if chosen else self.label, "options": options, "grid": {}}
            )


def _named(option: str, values: list[Any] | dict[str, Any]) -> list[tuple[str, Any]]:
    if not values:
        raise ValueError(f"grid.{option}: give at least one value")
    if isinstance(values, dict):
        return list(values.items())
    for value in values:
        if not isinstance(value, str | int | float) or "/" in str(value):
            raise ValueError(f"grid.{option}: {value!r} is no name for tables: write `NAME: {value}` instead")
    return [(str(value), value) for value in values]


class StudySettings(Settings):
    """Train each detector on each training set, evaluate all of them on all test sets."""

    detectors: list[StudyDetector] = Field(min_length=1, description="detectors to train")
    training_sets: dict[str, TrainingSet] = Field(min_length=1, description="name → training pictures")
    seeds: Seeds = Field([])
    training: dict[str, Any] = Field({}, description="other keys of a training, the same for all")
    test: dict[str, Any] = Field(description="keys of a run: data, limit, bootstrap and so on")
    until: str = Field(
        "",
        description="month YYYY-MM: refuses training sets of generators that came later or whose date is unknown, and draws "
        "how detectors hold on later ones",
    )
    metric: str = Field("ap", description="metric of the matrices")
    out: Path = Field(Path("runs/study"), description="folder of the study; rerunning on it resumes")

    @field_validator("detectors")
    @classmethod
    def _expanded(cls, detectors: Sequence[StudyDetector]) -> list[StudyDetector]:
        return [one for detector in detectors for one in detector.combinations()]
