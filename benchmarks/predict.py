"""Scores of pictures without labels: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch.utils.data import DataLoader

from benchmarks.perturbations import parse_perturbation
from benchmarks.pictures import is_picture
from benchmarks.runfolder.scores import CLEAN
from benchmarks.runner.model import Scored, ScoringModel
from benchmarks.runner.preparation import PreparedPictures, keep_list
from registry import Catalogs, Picture, Pipeline, TestSet, UserError

UNLABELLED = -1


def find_pictures(patterns: Sequence[str]) -> list[Path]:
    """The picture files that paths, folders (searched to the bottom) and glob patterns name, sorted.

    Raises:
        UserError: one of them names nothing.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        here = list(_expand(pattern))
        if not here:
            raise UserError(f"no picture at {pattern}")
        found.update(dict.fromkeys(here))
    return list(found)


def _expand(pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file() and is_picture(file))
    else:
        matches = map(Path, sorted(glob.glob(pattern, recursive=True)))
        yield from (match for match in matches if match.is_file() and is_picture(match))


def predict(
    catalogs: Catalogs,
    pipeline: Pipeline,
    pictures: Sequence[Path],
    *,
    batch_size: int,
    workers: int,
    max_pixels: int,
) -> Iterator[Scored]:
    """Score pictures by all detectors of the pipeline; a picture that fails is a row with its reason."""
    test_set = TestSet("", Path(), "", "", tuple(Picture(path.as_posix(), UNLABELLED) for path in pictures))
    clean = parse_perturbation(CLEAN, catalogs.perturbations)
    model = ScoringModel(pipeline)
    dataset = PreparedPictures(
        test_set, test_set.pictures, [clean], pipeline.views(), seed=0, max_pixels=max_pixels
    )
    for batch in DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=keep_list):
        yield from model.test_step(batch, list(pipeline.detectors))
