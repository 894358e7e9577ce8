"""The data of the page: metrics.json and what was derived from it, in arrays that load quickly."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.metrics.cell import COMPLETE, FAILED, PARTIAL
from benchmarks.reports.board import DIGITS, Board, BoardEntry, BoardRow, Column, boards, position
from benchmarks.reports.load import Run, directions, perturbations
from benchmarks.reports.notes import what_was_tested
from benchmarks.reports.page.curves import packed
from benchmarks.reports.report import Report
from benchmarks.reports.statistics.mean_ranks import rank_board
from benchmarks.reports.statistics.standings import HEADINGS, standings
from benchmarks.reports.statistics.verdicts import ALPHA, Verdicts
from benchmarks.runfolder.metrics_file import recorded_interval
from benchmarks.runfolder.scores import Cell
from benchmarks.text import plain

STATUS = [COMPLETE, PARTIAL, FAILED]
PAIRS = 20_000
"""Most comparisons of single test sets on a page; beyond, only those of means (the CSV has all)."""


def payload(report: Report) -> dict[str, Any]:
    """What the page shows. Numbers are whole multiples of 10^-`digits`, as rounded from metrics.json.

    `cells`: arrays over perturbation, row and column, the last fastest: `s`, the number of the status, −1 where there is
    no such cell; `n`, the number of its counts in `counts`; `own` and `noise`; `why`, the number of its reason in
    `reasons`, of one for all metrics or for each. By metric, null where none has one: the value `v`, the
    interval `lo`, `hi`, why there is none (`ni`, by number in `no_interval`, −1 for one that is there), the
    standard deviation `sd` over trainings by several seeds, and the rank `r` (negative where tied, 0 where no test
    decided it). `tested`: what was, by metric and perturbation.
    """
    runs, names = report.runs, list(directions(report.runs))
    verdicts = Verdicts(report.comparisons)
    found = boards(runs, names, verdicts.judge)
    kinds = perturbations(runs)
    by_metric = [found[i * len(kinds) : (i + 1) * len(kinds)] for i in range(len(names))]
    columns = sorted(dict.fromkeys(column for board in found for column in board.shown), key=position)
    rows = found[0].rows if found else []
    reasons = sorted({e.no_interval for board in found for e in board.entries.values() if e.no_interval})
    return {
        "metrics": [
            {**_metric(runs, name), "columns": [columns.index(c) for c in own[0].shown]}
            for name, own in zip(names, by_metric, strict=True)
        ],
        "shown": list(report.metrics),
        "perturbations": kinds,
        "statuses": STATUS,
        "rows": [
            {
                "label": r.label,
                "untrained": r.untrained,
                "parts": list(r.parts),
                "trained_on": r.trained_on,
            }
            for r in rows
        ],
        "columns": [
            {
                "group": c.group,
                "label": c.label,
                "mean": c.is_mean,
                "sets": sorted(name for name, _ in c.pictures),
            }
            for c in columns
        ],
        **_cells(report, by_metric, rows, columns, kinds, reasons),
        "no_interval": reasons,
        "ranks": _ranks(by_metric),
        "tested": [[what_was_tested(board) for board in own] for own in by_metric],
        "standings": [[_standings(board, rows, verdicts) for board in own] for own in by_metric],
        "pairs": _pairs(report.comparisons, rows, columns, names, kinds),
        "headings": HEADINGS,
        "alpha": ALPHA,
        "digits": DIGITS,
    }


def _metric(runs: Sequence[Run], name: str) -> dict[str, Any]:
    facts = next(run.metrics["metrics"][name] for run in runs if name in run.metrics["metrics"])
    interval = recorded_interval(facts)
    return {
        "name": name,
        "summary": facts["summary"],
        "higher": facts["higher_is_better"],
        "way": interval["method"],
        "measured": interval["measured"],
    }


def _cells(
    report: Report,
    by_metric: Sequence[Sequence[Board]],
    rows: Sequence[BoardRow],
    columns: Sequence[Column],
    kinds: Sequence[str],
    no_interval: Sequence[str],
) -> dict[str, Any]:
    counts = _counts(report.runs)
    chances = {(loss.row, loss.column, loss.perturbation): loss.chance for loss in report.losses}
    number = {reason: i for i, reason in enumerate(no_interval)}
    places = [(p, row, column) for p in range(len(kinds)) for row in rows for column in columns]
    grid = [[own[p].entries.get((row, column)) for p, row, column in places] for own in by_metric]
    first = [next(filter(None, entries), None) for entries in zip(*grid, strict=True)]
    reasons = _Numbered()
    triples = _Numbered()
    pictures, noise = [], []
    for (p, row, column), known in zip(places, first, strict=True):
        counted = None
        if known and not column.is_mean:
            ((dataset, _),) = column.pictures
            counted = counts[row.run, row.detector, dataset, kinds[p]]
        pictures.append(triples.of(counted))
        noise.append(_short(chances.get((row, column, kinds[p]))))
    why = [reasons.of(_reason(entries)) for entries in zip(*grid, strict=True)]
    cells = {
        "s": [STATUS.index(known.status) if known else -1 for known in first],
        "n": pictures,
        "own": [int(any(e.own for e in entries if e)) for entries in zip(*grid, strict=True)],
        "noise": noise,
        "why": why,
        "v": [_one(own, lambda e: _short(e.value), None) for own in grid],
        "lo": [_one(own, lambda e: _short(e.low), None) for own in grid],
        "hi": [_one(own, lambda e: _short(e.high), None) for own in grid],
        "ni": [_one(own, lambda e: number.get(e.no_interval, -1), -1) for own in grid],
        "sd": [
            _one(own, lambda e: _short(e.spread["standard_deviation"]) if e.spread else None, None)
            for own in grid
        ],
        "r": [_one(own, lambda e: -e.place if e.tied else e.place, 0) for own in grid],
    }
    return {"cells": cells, "counts": triples.found, "reasons": reasons.found}


def _one(
    entries: Sequence[BoardEntry | None], of: Callable[[BoardEntry], Any], empty: Any
) -> list[Any] | None:
    """One fact of every cell, `empty` where there is no cell; None where no cell has one."""
    found = [empty if entry is None else of(entry) for entry in entries]
    return found if any(one != empty for one in found) else None


class _Numbered:
    """Equal things under one number; −1 is none."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self._numbers: dict[str, int] = {}

    def of(self, thing: Any) -> int:
        if not thing:
            return -1
        key = repr(thing)
        if key not in self._numbers:
            self._numbers[key] = len(self.found)
            self.found.append(thing)
        return self._numbers[key]


def _reason(entries: Sequence[BoardEntry | None]) -> str | dict[int, str]:
    """Why the metrics of a cell are what they are: one reason for all of them, or by number of the metric."""
    reasons = {i: e.reason for i, e in enumerate(entries) if e and e.reason}
    same = len(set(reasons.values())) == 1 and len(reasons) == len(entries)
    return next(iter(reasons.values())) if same else reasons


def _counts(runs: Sequence[Run]) -> Mapping[tuple[str, str, str, str], list[int]]:
    return {
        (run.label, c["detector"], c["dataset"], c["perturbation"]): [c["n_real"], c["n_fake"], c["n_error"]]
        for run in runs
        for c in run.table_cells()
    }


def _short(value: float | None) -> int | None:
    return None if value is None else round(round(value, DIGITS) * 10**DIGITS)


def _ranks(by_metric: Sequence[Sequence[Board]]) -> list[list[dict[str, Any]]]:
    found = []
    for own in by_metric:
        summaries = [rank_board(board) for board in own]
        found.append(
            [
                {
                    "labels": s.labels,
                    "ranks": [round(rank, 2) for rank in s.summary.mean_ranks],
                    "left_out": s.left_out,
                    "sets": s.n_sets,
                    "friedman": s.summary.friedman,
                    "p": s.summary.p,
                    "w": s.summary.kendall_w,
                    "reason": s.summary.reason,
                }
                for s in summaries
            ]
        )
    return found


def _standings(board: Board, rows: Sequence[BoardRow], verdicts: Verdicts) -> list[dict[str, Any]]:
    """Over all sets: per choice of pictures the number of sets, and of each row (by number) what tables show."""
    return [
        {
            "sets": found.n_sets,
            "rows": [[rows.index(one.row), *one.shown(DIGITS)] for one in found.rows],
        }
        for found in standings(board, verdicts)
    ]


def _pairs(
    table: pd.DataFrame,
    rows: Sequence[BoardRow],
    columns: Sequence[Column],
    names: Sequence[str],
    kinds: Sequence[str],
) -> list[list[Any]]:
    """[metric, perturbation, column, test, first, second, difference, low, high, p, holds]; p Holm-corrected."""
    if len(table) > PAIRS:
        means = {column.pictures for column in columns if column.is_mean}
        table = table[table["pictures"].isin(means)]
    places: dict[Any, list[int]] = {}
    for i, column in enumerate(columns):
        places.setdefault(column.pictures, []).append(i)
    who = {row.key: i for i, row in enumerate(rows)}
    found = []
    for item in table.to_dict("records"):
        numbers = [
            None if pd.isna(item[key]) else _short(item[key])
            for key in ("difference", "low", "high", "p_holm", "holds")
        ]
        for place in places[item["pictures"]]:
            found.append(
                [
                    names.index(item["metric"]),
                    kinds.index(item["perturbation"]),
                    place,
                    item["test"],
                    who[item["first"]],
                    who[item["second"]],
                    *numbers,
                ]
            )
    return found


def curve_payload(report: Report) -> dict[str, str]:
    """Curves of every cell that has pictures of both classes, compressed by `test set|perturbation`.

    Each is a JSON list of [row, seed or None, curves], the latter as `packed` gives them: a row of several trainings
    has curves of each. Base64 of zlib, as a browser's DecompressionStream("deflate") reads it.
    """
    found: dict[str, list[Any]] = {}
    number = 0
    for run in report.runs:
        place: dict[str, tuple[int, str | None]] = {}
        for name in run.table_detectors:
            seeds = run.groups.get(name)
            place |= (
                {label: (number, seed) for seed, label in seeds.items()} if seeds else {name: (number, None)}
            )
            number += 1
        for cell in run.cells():
            if run.folder and cell["detector"] in place and cell["n_real"] and cell["n_fake"]:
                at = Cell(cell["detector"], cell["dataset"], cell["perturbation"])
                drawn = packed(report.read(run.folder, at))
                key = f"{plain(cell['dataset'])}|{plain(cell['perturbation'])}"
                found.setdefault(key, []).append([*place[cell["detector"]], drawn])
    return {key: _compressed(curves) for key, curves in found.items()}


def _compressed(content: Any) -> str:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
