"""The pictures that each detector gets most wrong, as thumbnails inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks.reports.load import Run
from benchmarks.runfolder.scores import CLEAN, Cell, read_cell
from registry.errors import UserError

EACH = 6
"""Real and generated pictures of each detector."""
SIDE = 112
"""Longest side of a thumbnail in pixels."""


@dataclass(frozen=True)
class Wrong:
    """One clean picture that a detector is confidently wrong about. thumbnail: a data URL."""

    detector: str
    dataset: str
    path: str
    label: int
    logit: float
    thumbnail: str


def most_wrong(run: Run, pictures: Path) -> Iterator[Wrong]:
    """The `EACH` real pictures with the highest and generated ones with the lowest logit, of each detector.

    pictures: the data root that the run's picture paths start from.

    Raises:
        UserError: a picture is not there.
    """
    for detector in run.detectors:
        found: list[tuple[float, str, dict[Any, Any]]] = []
        for cell in run.cells():
            if run.folder and (cell["detector"], cell["perturbation"]) == (detector, CLEAN):
                rows = read_cell(
                    run.folder, Cell(detector, cell["dataset"], CLEAN), ("path", "label", "logit")
                )
                rows = rows[rows["error"].isna()]
                wrongness = np.where(rows["label"] == 1, -rows["logit"], rows["logit"])
                for label in (0, 1):
                    mine = np.flatnonzero((rows["label"] == label) & (wrongness > 0))
                    for i in mine[np.argsort(-wrongness[mine])][:EACH]:
                        found.append((float(wrongness[i]), cell["dataset"], rows.iloc[int(i)].to_dict()))
        for label in (0, 1):
            worst = sorted((x for x in found if x[2]["label"] == label), key=lambda x: -x[0])[:EACH]
            for _, dataset, row in worst:
                thumbnail = _thumbnail(pictures, row["path"])
                yield Wrong(detector, dataset, row["path"], label, round(float(row["logit"]), 4), thumbnail)


def _thumbnail(root: Path, name: str) -> str:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UserError(f"{name!r} leads out of the data folder: such a picture is not shown")
    path = root / name
    try:
        with Image.open(path) as picture:
            small = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE))
    except FileNotFoundError:
        raise UserError(f"no picture {path}: give the data folder that the run was made from") from None
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
