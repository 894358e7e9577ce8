"""The worst pictures of each test set, as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from PIL import ImageOps

from benchmarks.pictures import PictureError, open_picture
from benchmarks.reports.failures.at_hand import PicturesAtHand
from registry.dataset import FAKE, REAL

EACH = 6
"""Pictures of each class and test set."""
SIDE = 128
"""Longest side in pixels."""
LIMIT = 4_000_000
"""Most bytes of all pictures of a page, so that it stays quick to open and to send."""


@dataclass(frozen=True)
class Shown:
    """One picture that most detectors miss. image: a data URL; found_by: the detectors that are right."""

    dataset: str
    path: str
    label: int
    wrong: int
    found_by: str
    image: str


def gallery(table: pd.DataFrame, at_hand: PicturesAtHand) -> tuple[list[Shown], list[str]]:
    """The pictures of `picture_table` that most detectors miss, and a line for each set that has to do without.

    Sets take turns, so that the limit of bytes leaves out the least bad pictures of all sets.
    """
    wrong = table[table["wrong"] > 0]
    queues = {
        (dataset, label): wrong[(wrong["dataset"] == dataset) & (wrong["label"] == label)].head(EACH)
        for dataset in wrong["dataset"].unique()
        for label in (REAL, FAKE)
    }
    found: list[Shown] = []
    lost: dict[str, int] = {}
    spent = 0
    for turn in range(EACH):
        for (dataset, _), queue in queues.items():
            if turn >= len(queue):
                continue
            row = queue.iloc[turn]
            image = _image(at_hand, dataset, str(row["path"]))
            if image is None:
                lost[dataset] = lost.get(dataset, 0) + 1
            elif spent + len(image) > LIMIT:
                notes = [*_lines(lost), f"pictures beyond {LIMIT // 1_000_000} MB are not shown"]
                return _sorted(found), notes
            else:
                spent += len(image)
                found.append(
                    Shown(
                        dataset,
                        str(row["path"]),
                        int(row["label"]),
                        int(row["wrong"]),
                        str(row["found_by"]),
                        image,
                    )
                )
    return _sorted(found), list(_lines(lost))


def _sorted(found: list[Shown]) -> list[Shown]:
    """By set in the order of the run, generated pictures after real ones; the worst stay first."""
    order = list(dict.fromkeys(one.dataset for one in found))
    return sorted(found, key=lambda one: (order.index(one.dataset), one.label))


def _lines(lost: dict[str, int]) -> Iterator[str]:
    for dataset, count in lost.items():
        yield f"{dataset}: {count} pictures are gone or are no longer those that were scored, and are not shown"


def _image(at_hand: PicturesAtHand, dataset: str, path: str) -> str | None:
    file = at_hand.file(dataset, path)
    if file is None:
        return None
    try:
        small = ImageOps.contain(open_picture(file), (SIDE, SIDE))
    except PictureError:
        return None
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
