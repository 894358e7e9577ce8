"""What came out of a suite, and its pictures as the score files of a run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.special import expit

from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.runfolder.scores import CLEAN, Cell, write_shard
from registry import Picture, TestSet


@dataclass(frozen=True)
class SuitePicture:
    """One picture as it left the suite: path, label (0 real, 1 generated), logit or the reason there is none."""

    path: str
    label: int
    logit: float | None
    error: str | None = None
    generator: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What a suite made of one detector: its pictures by test set, and the figures it printed itself."""

    pictures: Mapping[str, Sequence[SuitePicture]]
    figures: Mapping[str, Any]


def write_scores(out: Path, label: str, host: str, evaluation: Evaluation) -> dict[str, TestSet]:
    """Write one detector's rows, a shard for each of the suite's test sets, and return these by name.

    Raises:
        ValueError: the suite scored nothing.
    """
    if not any(evaluation.pictures.values()):
        raise ValueError("the suite scored no picture")
    test_sets = {}
    for name, pictures in evaluation.pictures.items():
        root = Path(os.path.commonpath([Path(picture.path).parent for picture in pictures]))
        generators = {picture.generator for picture in pictures} - {""}
        generator = generators.pop() if len(generators) == 1 else name
        relative = [Path(picture.path).relative_to(root).as_posix() for picture in pictures]
        rows = [
            {
                "paradigm": paradigm_of(picture.generator or generator),
                "generator": picture.generator or generator,
                "path": path,
                "label": picture.label,
                "logit": picture.logit,
                "score": None if picture.logit is None else float(expit(picture.logit)),
                "error": picture.error,
            }
            for picture, path in zip(pictures, relative, strict=True)
        ]
        write_shard(out, Cell(label, f"{host}/{name}", CLEAN), rows, name="scores")
        listed = tuple(Picture(path, p.label) for path, p in zip(relative, pictures, strict=True))
        test_set = TestSet(f"{host}/{name}", root, generator, paradigm_of(generator), listed)
        test_sets[test_set.name] = test_set
    return test_sets
