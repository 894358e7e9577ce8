"""`d3qe-bench attribute`: which known generator made a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import (
    SHIPPED,
    Number,
    Option,
    SessionSettings,
    StrictInt,
    parse_settings,
    read_settings,
)
from benchmarks.text import csv_text, in_markdown, say

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.loading.session import Session
    from registry import PictureFile, TestSet

MINI = SHIPPED / "attribute.yaml"
"""What is asked where no detectors are named: the mini benchmark's white boxes."""


class AttributeSettings(SessionSettings):
    """What `d3qe-bench attribute` does."""

    pictures: Annotated[list[str], Option(metavar="PICTURE", positional=True, commas=False)] = Field(
        [], description="files, folders, or quoted patterns such as 'in/**/*.png'"
    )
    data: Annotated[list[str], Option(metavar="DATA")] = Field(
        [], description="labelled data: each test set is a row of the confusion matrix"
    )
    calibrate_on: str = Field("", description="data whose real pictures calibrate the false-positive rate")
    calibrate_options: dict[str, Any] = Field(
        {}, description="option of the layout or data set of calibrate_on"
    )
    false_positive_rate: Number = Field(
        0.05, gt=0, lt=1, description="share of real pictures that may be attributed to a generator"
    )
    out: Path | None = Field(None, description="folder for attributions.csv and confusion.{md,csv,html}")
    workers: StrictInt = Field(0, ge=0, description="decoding processes")


@takes(AttributeSettings)
def attribute(given: dict[str, Any]) -> None:
    """Tell which known generator made each picture, or none of them, from white-box scores.

    Without detectors, those of the mini benchmark. Exit code 0: all were scored; 1: some were not; 2: wrong request.
    """
    from benchmarks.attribution import NONE, REAL, confusion
    from benchmarks.attribution import attribute as attributed
    from benchmarks.datasets.resolve import find_test_sets
    from benchmarks.loading import open_session
    from benchmarks.loading.memory import find_pictures
    from benchmarks.tables import print_table
    from registry import UserError
    from registry.dataset import REAL as LABEL

    values = given if given.get("detectors") else {**read_settings(MINI), **given}
    settings = parse_settings(AttributeSettings, values, options=given)
    if not (settings.pictures or settings.data) or not settings.calibrate_on:
        raise UserError("attribute: give pictures or --data, and --calibrate-on with real pictures")
    session = open_session(settings)
    generators = _generators(session)
    datasets = session.catalogs.datasets
    calibration = find_test_sets(datasets, [settings.calibrate_on], options=settings.calibrate_options)
    real = [path for one in calibration for path, label in _paths(one) if label == LABEL]
    files = find_pictures(settings.pictures) if settings.pictures else []
    truth: dict[PictureFile, str] = dict.fromkeys(files, "")
    for one in find_test_sets(datasets, settings.data) if settings.data else []:
        truth |= {path: REAL if label == LABEL else one.generator for path, label in _paths(one)}
    made_by = {path.as_posix(): name for path, name in truth.items()}
    scores, known = (session.score(list(paths), workers=settings.workers) for paths in (truth, real))
    table = attributed(scores, known, generators, settings.false_positive_rate)
    table.insert(1, "made_by", [made_by[path] for path in table["path"]])
    labelled = table[table["made_by"] != ""]
    matrix = confusion(labelled["made_by"], labelled["attributed"], generators)
    if settings.out is not None:
        write_attributions(settings.out, table, matrix)
    if settings.pictures:
        rows = table[table["made_by"] == ""][["attributed", "p", "path"]].to_numpy()
        shown = [(name or "error", f"{p:.4f}", path) for name, p, path in rows]
        print_table(shown, head=("attributed to", "p", "picture"))
    if len(labelled):
        body = [
            (str(name), *map(str, counts))
            for name, counts in zip(matrix.index, matrix.to_numpy(), strict=True)
        ]
        print_table(body, head=("made by", *matrix.columns))
    mistaken = (labelled[labelled["made_by"] == REAL]["attributed"] != NONE).mean()
    if mistaken == mistaken:
        say(
            f"real pictures attributed to a generator: {mistaken:.1%} (asked for {settings.false_positive_rate:.1%})"
        )
    for row in scores.dropna(subset="error").itertuples():
        say(f"{row.path}: {row.detector}: {row.error}", err=True)
    raise typer.Exit(1 if table["attributed"].isna().any() else 0)


def _generators(session: Session) -> dict[str, str]:
    """Detector → the generator whose parts it reads. Raises `UserError` for one that is no white box or failed."""
    from registry import UserError

    for name, reason in session.failed.items():
        raise UserError(f"attribute: {name} could not be built: {reason}")
    found = {}
    for label, record in session.records.items():
        own = record["card"]["white_box_for"]
        if not own:
            raise UserError(
                f"attribute: {label} is no white box for a generator; `d3qe-bench list` tells which are"
            )
        found[label] = own[0]
    return found


def _paths(test_set: TestSet) -> list[tuple[PictureFile, int]]:
    return [(test_set.file(one), one.label) for one in test_set.pictures]


def write_attributions(folder: Path, table: pd.DataFrame, matrix: pd.DataFrame) -> None:
    """Write `attributions.csv`, a row per picture, and `confusion.csv`, `.md` and `.html`, counts by what made them (index) and what they were attributed to (columns)."""
    from benchmarks.reports.page.outline import outlined
    from registry.files import atomic

    page = outlined("benchmarks.reports", "templates").get_template("confusion.html.j2")
    rows = [["made by", *matrix.columns], ["---"] * (1 + len(matrix.columns))]
    rows += [[name, *counts] for name, counts in zip(matrix.index, matrix.to_numpy(), strict=True)]
    lines = [" | ".join(row if number == 1 else map(in_markdown, row)) for number, row in enumerate(rows)]
    by_name = matrix.rename_axis("made by").reset_index()
    texts = {
        "attributions.csv": csv_text(list(table.columns), table.to_dict("records")),
        "confusion.csv": csv_text(list(by_name.columns), by_name.to_dict("records")),
        "confusion.md": "".join(f"| {line} |\n" for line in lines),
        "confusion.html": page.render(matrix=matrix),
    }
    for name, text in texts.items():
        with atomic(folder / name) as draft:
            draft.write_text(text, encoding="utf-8")
