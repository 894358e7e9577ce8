"""The pages of the site, from submitted rows or runs: plain HTML, whose one script saves tables, and links within the folder alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets.releases import Release, release_of
from benchmarks.files import write_texts
from benchmarks.metrics.means import ALL
from benchmarks.reports.board import DIGITS, Board, BoardEntry, BoardRow, Column, boards, warnings
from benchmarks.reports.load import Run, check_metrics, read_runs, shown_metrics
from benchmarks.reports.notes import interval_notes, legend, mark, notes
from benchmarks.reports.page.html import provenance
from benchmarks.reports.page.outline import outlined
from benchmarks.reports.reported import reported
from benchmarks.runfolder.record import DatasetRecord, dumped
from benchmarks.runfolder.scores import CLEAN

FOLDERS = {"detector": "detectors", "test set": "sets", "paradigm": "paradigms"}


@dataclass(frozen=True)
class Links:
    """Where the page of each row, test set and paradigm lies, from the folder of the site; no two share one."""

    rows: dict[BoardRow, str]
    sets: dict[Column, str]
    paradigms: dict[str, str]


def write_site(rows: Sequence[Path], out: Path, metrics: Sequence[str] = ()) -> list[Path]:
    """Write the site of rows, folders of rows, or run folders; returns the files, `index.html` first.

    metrics: to tabulate, by default what a report shows.

    Raises:
        UserError: unknown metric, or something that is neither a row nor a run.
    """
    runs = [run.fed_by_default() for run in read_runs(rows)]
    shown = list(metrics or shown_metrics(runs))
    check_metrics(runs, shown)
    return write_texts(out, site(runs, shown))


def site(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, str]:
    """The files by name."""
    found = boards(runs, metrics)
    clean = next((one for one in found if one.perturbation == CLEAN), found[0])
    links = _links(found)
    environment = outlined("benchmarks.reports.site")
    environment.globals |= {
        "boards": found,
        "links": links,
        "shown": shown,
        "legend": legend,
        "notes": notes,
        "interval_notes": interval_notes,
        "pictures": lambda board: "clean pictures" if board.perturbation == CLEAN else board.perturbation,
        "runs": runs,
    }

    def page(template: str, root: str, **context: Any) -> str:
        return environment.get_template(template).render(root=root, **context)

    by_label = {run.label: run for run in runs}
    files = {"index.html": page("index.html.j2", "", warnings=warnings(runs), board=clean, sets=links.sets)}
    for row, address in links.rows.items():
        run = by_label[row.run]
        files[address] = page(
            "detector.html.j2",
            "../",
            row=row,
            facts=list(_facts(run, row)),
            provenance=list(provenance(run)),
            reported=[one for one in reported([run]) if one.detector == row.detector],
        )
    for column, address in links.sets.items():
        ((name, fingerprint),) = column.pictures
        known, release = _data(runs, name, fingerprint)
        files[address] = page(
            "set.html.j2",
            "../",
            column=column,
            name=name,
            fingerprint=fingerprint,
            data=known,
            release=release,
        )
    for paradigm, address in links.paradigms.items():
        files[address] = page("paradigm.html.j2", "../", paradigm=paradigm, everything=paradigm == ALL)
    return files


def shown(entry: BoardEntry | None) -> str:
    """A number with its interval and mark."""
    if entry is None or entry.value is None:
        return mark(entry)
    text = f"{entry.value:.{DIGITS}f}{mark(entry)}"
    if entry.spread:
        text += f" ± {entry.spread['standard_deviation']:.{DIGITS}f}"
    return text if entry.low is None else f"{text} [{entry.low:.{DIGITS}f}, {entry.high:.{DIGITS}f}]"


def _links(found: Sequence[Board]) -> Links:
    rows = dict.fromkeys(row for board in found for row in board.rows)
    columns = dict.fromkeys(column for board in found for column in board.shown)
    sets = [column for column in columns if not column.is_mean]
    return Links(
        _addresses(FOLDERS["detector"], rows, lambda row: row.label),
        _addresses(FOLDERS["test set"], sets, lambda column: f"{column.group}-{column.label}"),
        _addresses(FOLDERS["paradigm"], dict.fromkeys(c.group for c in columns), str),
    )


def _addresses(folder: str, things: Iterable[Any], name_of: Any) -> dict[Any, str]:
    """A file name of letters that every system and address takes as they are; equal ones are numbered."""
    found: dict[Any, str] = {}
    taken: set[str] = set()
    for thing in things:
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", name_of(thing))[:80].strip("_") or "unnamed"
        number, chosen = 1, name
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{name}_{number}"
        taken.add(chosen.casefold())
        found[thing] = f"{folder}/{chosen}.html"
    return found


def _facts(run: Run, row: BoardRow) -> Iterable[tuple[str, str]]:
    """The card and what the run says of the detector, as (name, text)."""
    facts = dumped(run.facts(row.detector))
    card = facts.pop("card")
    for name in ("summary", "paper", "licence", "tables"):
        if card.get(name):
            yield name, str(card[name])
    yield "trained on", row.trained_on
    if facts.get("weights"):
        yield "weights", f"{facts['weights'].get('file', '')}, SHA-256 {facts['weights'].get('sha256', '')}"
    for one in card.get("weights", []):
        yield "weights published", ", ".join(f"{key} {value}" for key, value in one.items() if value)
    if facts.get("protocol"):
        yield "protocol", facts["protocol"]
    for kind in ("options", "encoders", "inputs", "training"):
        for name, value in (facts.get(kind) or {}).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{kind.removesuffix('s')}, {name}", text
    if card.get("white_box_for"):
        yield "white box for", ", ".join(card["white_box_for"])


def _data(runs: Sequence[Run], name: str, fingerprint: str) -> tuple[DatasetRecord, Release | None]:
    """What the first run with these very pictures says of them, and when their generator was released."""
    data = next(
        run.record.datasets[name]
        for run in runs
        if name in run.record.datasets and run.fingerprint(name) == fingerprint
    )
    return data, release_of(data.generator or name)
