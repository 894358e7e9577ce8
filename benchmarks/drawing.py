"""Draws the figures that plugins register, each as PNG and SVG, and the numbers in it as JSON and CSV."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.files import write_json, write_texts
from benchmarks.pictures import open_member
from benchmarks.text import csv_text
from registry import (
    Catalogs,
    Detector,
    Drawing,
    EncoderPool,
    Feature,
    ShownBatch,
    Subject,
    TestSet,
    UserError,
    View,
)
from registry.files import atomic
from registry.inputs import InputReader

_PNG_DPI = 160


def choose_figures(catalogs: Catalogs, detector: str, names: Sequence[str]) -> list[str]:
    """The figures to draw of a detector, by default all that there are.

    Raises:
        UserError: an unknown figure, one of another detector, or none at all.
    """
    offered = [entry.name for entry in catalogs.figures if detector in entry.card.of]
    for name in names:
        entry = catalogs.figures.entry(name)
        if name not in offered:
            raise UserError(f"figure {name!r} is of {', '.join(entry.card.of)}, not of {detector!r}")
    if not offered:
        raise UserError(f"no figures are registered for detector {detector!r}")
    return list(names) or offered


@torch.no_grad()
def shown_batches(
    detector: Detector, encoders: EncoderPool, test_sets: Sequence[TestSet], batch_size: int
) -> Iterator[ShownBatch]:
    """All pictures of the test sets with what the detector reads of them."""
    reader = InputReader(detector.inputs, encoders)
    pictures = [(test_set, picture) for test_set in test_sets for picture in test_set.pictures]
    for start in range(0, len(pictures), batch_size):
        chosen = pictures[start : start + batch_size]
        decoded = [open_member(test_set, picture) for test_set, picture in chosen]
        labels = torch.tensor([picture.label for _, picture in chosen])
        stacked: dict[View | Feature, torch.Tensor] = {
            view: torch.stack([view(picture) for picture in decoded]).to(encoders.device)
            for view in reader.views()
        }
        yield ShownBatch(decoded, [picture.path for _, picture in chosen], labels, reader(stacked))


def draw_figures(
    catalogs: Catalogs,
    names: Sequence[str],
    detector: Detector,
    title: str,
    encoders: EncoderPool,
    test_sets: Sequence[TestSet],
    out: Path,
    batch_size: int = 16,
) -> list[Path]:
    """Draw and save; returns the files written, four per figure."""
    batches = functools.partial(shown_batches, detector.eval(), encoders, test_sets, batch_size)
    subject = Subject(detector, title, batches)
    written = []
    for name in names:
        drawing: Drawing = catalogs.figures.entry(name).load()(subject)
        written += save(drawing, out / name)
    return written


def save(drawing: Drawing, stem: Path) -> list[Path]:
    """Write `stem`.png, .svg, .json and .csv, each whole or not at all; equal figures give equal SVG files."""
    import matplotlib as mpl

    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg", "json", "csv")]
    with mpl.rc_context({"svg.hashsalt": stem.name, "svg.fonttype": "none"}):
        for path in paths[:2]:
            stream = io.BytesIO()
            kind = path.suffix[1:]
            drawing.figure.savefig(
                stream,
                format=kind,
                dpi=_PNG_DPI,
                bbox_inches="tight",
                metadata={"Date": None} if kind == "svg" else None,
            )
            with atomic(path) as draft:
                draft.write_bytes(stream.getvalue())
    write_json(paths[2], dict(drawing.numbers))
    rows = ({"number": name, "value": value} for name, value in flat(drawing.numbers))
    write_texts(stem.parent, {paths[3].name: csv_text(["number", "value"], rows)})
    return paths


def flat(numbers: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Single values with the keys and places that lead to them, joined by dots: `real.pictures`, `labels.0`."""
    if isinstance(numbers, Mapping):
        members = list(numbers.items())
    elif isinstance(numbers, list | tuple):
        members = list(enumerate(numbers))
    else:
        yield name, numbers
        return
    for key, value in members:
        yield from flat(value, f"{name}.{key}" if name else str(key))
