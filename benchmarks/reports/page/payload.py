"""The data of the page: metrics.json and what was derived from it, in arrays that load quickly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.metrics.cell import COMPLETE, FAILED, PARTIAL
from benchmarks.reports.board import DIGITS, Board, BoardRow, Column, boards, position
from benchmarks.reports.load import Run, directions, perturbations
from benchmarks.reports.notes import what_was_tested
from benchmarks.reports.page.curves import curves
from benchmarks.reports.report import Report
from benchmarks.reports.statistics.mean_ranks import rank_board
from benchmarks.reports.statistics.standings import HEADINGS, standings
from benchmarks.reports.statistics.verdicts import ALPHA, Verdicts
from benchmarks.runfolder.metrics_file import recorded_interval
from benchmarks.runfolder.scores import Cell

STATUS = [COMPLETE, PARTIAL, FAILED]
PAIRS = 20_000
"""Most comparisons of single test sets on a page; beyond, only those of means (the CSV has all)."""


def payload(report: Report) -> dict[str, Any]:
    """What the page shows. Numbers are rounded to the digits shown, straight from metrics.json.

    `cells`: one object per row, column and perturbation (all three by number) with the counts, the status,
    and per metric the value `v`, the interval `lo`, `hi` or why there is none (`ni`, by number in `no_interval`), the
    standard deviation `sd` over trainings by several seeds, and the rank `r` (negative where tied, 0 where no test
    decided it). `tested`: what was, by metric and perturbation.
    """
    runs, names = report.runs, list(directions(report.runs))
    verdicts = Verdicts(report.comparisons)
    found = boards(runs, names, verdicts.judge)
    kinds = perturbations(runs)
    by_metric = [found[i * len(kinds) : (i + 1) * len(kinds)] for i in range(len(names))]
    columns = sorted(dict.fromkeys(column for board in found for column in board.columns), key=position)
    rows = found[0].rows if found else []
    reasons = sorted({e.no_interval for board in found for e in board.entries.values() if e.no_interval})
    return {
        "metrics": [
            {**_metric(runs, name), "columns": [columns.index(c) for c in own[0].columns]}
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
        "cells": _cells(report, by_metric, rows, columns, kinds, reasons),
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
) -> list[dict[str, Any]]:
    counts = _counts(report.runs)
    chances = {(loss.row, loss.column, loss.perturbation): loss.chance for loss in report.losses}
    cells = []
    for p, perturbation in enumerate(kinds):
        for r, row in enumerate(rows):
            for c, column in enumerate(columns):
                entries = [own[p].entries.get((row, column)) for own in by_metric]
                known = [entry for entry in entries if entry]
                if not known:
                    continue
                cell: dict[str, Any] = {
                    "at": [r, c, p],
                    "s": STATUS.index(known[0].status),
                    "v": [_short(e.value) if e else None for e in entries],
                }
                if any(entry.low is not None for entry in known):
                    cell["lo"] = [_short(e.low) if e else None for e in entries]
                    cell["hi"] = [_short(e.high) if e else None for e in entries]
                if lacking := {i: e.no_interval for i, e in enumerate(entries) if e and e.no_interval}:
                    cell["ni"] = {i: no_interval.index(reason) for i, reason in lacking.items()}
                if any(entry.spread for entry in known):
                    cell["sd"] = [
                        _short(e.spread["standard_deviation"]) if e and e.spread else None for e in entries
                    ]
                if any(entry.place for entry in known):
                    cell["r"] = [(-e.place if e.tied else e.place) if e else 0 for e in entries]
                if any(entry.own for entry in known):
                    cell["own"] = True
                if reasons := {i: e.reason for i, e in enumerate(entries) if e and e.reason}:
                    same = len(set(reasons.values())) == 1 and len(reasons) == len(entries)
                    cell["why"] = next(iter(reasons.values())) if same else reasons
                if (row, column, perturbation) in chances:
                    cell["noise"] = _short(chances[row, column, perturbation])
                if not column.is_mean:
                    ((dataset, _),) = column.pictures
                    cell["n"] = counts[row.run, row.detector, dataset, perturbation]
                cells.append(cell)
    return cells


def _counts(runs: Sequence[Run]) -> Mapping[tuple[str, str, str, str], list[int]]:
    return {
        (run.label, c["detector"], c["dataset"], c["perturbation"]): [c["n_real"], c["n_fake"], c["n_error"]]
        for run in runs
        for c in run.table_cells()
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


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
            None if pd.isna(item[key]) else round(item[key], DIGITS)
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


def curve_payload(report: Report) -> dict[str, Any]:
    """Curves of every cell that has pictures of both classes, by `row,set,perturbation`."""
    found = {}
    number = 0
    for run in report.runs:
        # several trainings have no curve in common
        place = {name: number + i for i, name in enumerate(run.table_detectors)}
        number += len(place)
        for cell in run.cells():
            if run.folder and cell["detector"] in place and cell["n_real"] and cell["n_fake"]:
                scores = report.read(
                    run.folder, Cell(cell["detector"], cell["dataset"], cell["perturbation"])
                )
                key = f"{place[cell['detector']]}|{cell['dataset']}|{cell['perturbation']}"
                found[key] = curves(scores)
    return found
