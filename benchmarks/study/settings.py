"""What a study's configuration may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from benchmarks.config import DetectorSettings, Settings
from benchmarks.training.settings import SplitSettings


class TrainingSet(Settings):
    """One set that every detector is trained on."""

    data: SplitSettings = Field(description="training pictures")
    validation: SplitSettings | None = Field(None, description="validation pictures")


class StudySettings(Settings):
    """Train each detector on each training set, evaluate all of them on all test sets."""

    detectors: list[DetectorSettings] = Field(min_length=1, description="detectors to train")
    training_sets: dict[str, TrainingSet] = Field(min_length=1, description="name → training pictures")
    training: dict[str, Any] = Field({}, description="other keys of a training, the same for all")
    test: dict[str, Any] = Field(description="keys of a run: data, limit, bootstrap and so on")
    until: str = Field(
        "",
        description="month YYYY-MM: refuses training sets of generators that came later or whose date is unknown, and draws "
        "how detectors hold on later ones",
    )
    metric: str = Field("ap", description="metric of the matrices")
    out: Path = Field(Path("runs/study"), description="folder of the study; rerunning on it resumes")
