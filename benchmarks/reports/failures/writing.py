"""Writes what is known of a run's failures: a page, a text, and a table of everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.files import write_texts
from benchmarks.reports.failures.causes import Failures
from benchmarks.reports.failures.fusion import ALL
from benchmarks.reports.failures.gallery import EACH
from benchmarks.reports.failures.slices import losing
from benchmarks.reports.page.outline import outlined
from benchmarks.reports.templates import environment
from benchmarks.runfolder.metrics_file import METRICS
from benchmarks.text import csv_text, in_markdown

NAME = "failures"
WORST = 5
"""Pictures of each set that the text names."""
CLASSES = {0: "real", 1: "generated"}


def write(found: Failures, out: Path) -> list[Path]:
    """Write `failures.html`, `.md` and one CSV per table; returns the files."""
    context = _context(found)
    texts = {
        f"{NAME}.md": environment(in_markdown).get_template("failures.md.j2").render(**context),
        f"{NAME}.html": _page(context),
        f"{NAME}.pictures.csv": _csv(found.pictures),
        f"{NAME}.agreement.csv": _csv(
            pd.DataFrame(
                [
                    {
                        **{key: value for key, value in asdict(one).items() if key != "only"},
                        **{f"only {name}": count for name, count in one.only.items()},
                    }
                    for one in found.agreements
                ]
            )
        ),
        f"{NAME}.pairs.csv": _csv(pd.DataFrame(map(asdict, found.pairs))),
    }
    if found.slices:
        texts[f"{NAME}.slices.csv"] = _csv(pd.DataFrame(map(asdict, found.slices)))
    if found.fusion is not None:
        texts[f"{NAME}.fusion.csv"] = _csv(found.fusion)
    return write_texts(out, texts)


def totals(found: Failures) -> list[dict[str, Any]]:
    """Each class over all test sets: pictures, all right, all wrong, expected by chance, and found by one alone."""
    rows = []
    for label, name in CLASSES.items():
        members = [one for one in found.agreements if one.label == label]
        if members:
            rows.append(
                {
                    "class": name,
                    "pictures": sum(one.pictures for one in members),
                    "all_right": sum(one.all_right for one in members),
                    "all_wrong": sum(one.all_wrong for one in members),
                    "by_chance": sum(one.by_chance for one in members),
                    "only": {d: sum(one.only[d] for one in members) for d in found.scored.detectors},
                }
            )
    return rows


def fusion_rows(found: Failures, datasets: Iterable[str] = (ALL,)) -> list[dict[str, Any]]:
    """Name, whether it is a fusion, and (value, low, high) per (test set, metric) of each row, None where undefined."""
    if found.fusion is None:
        return []
    wanted = list(datasets)
    rows = []
    for (name, fusion), group in found.fusion.groupby(["name", "fusion"], sort=False):
        numbers = {
            (str(item["dataset"]), str(item["metric"])): (item["value"], item["low"], item["high"])
            for item in group.to_dict("records")
            if item["dataset"] in wanted and item["value"] == item["value"]
        }
        rows.append({"name": name, "fusion": fusion, "numbers": numbers})
    return rows


def _context(found: Failures) -> dict[str, Any]:
    datasets = [one.dataset for one in found.scored.sets]
    by_pair = {(one.first, one.second): one for one in found.pairs}
    return {
        "found": found,
        "classes": CLASSES,
        "totals": totals(found),
        "pair": lambda a, b: by_pair.get((a, b)) or by_pair.get((b, a)),
        "worst": {
            name: found.pictures[(found.pictures["dataset"] == name) & (found.pictures["wrong"] > 0)]
            .head(WORST)
            .to_dict("records")
            for name in datasets
        },
        "losing": losing(list(found.slices)),
        "traits": list(dict.fromkeys(one.trait for one in found.slices)),
        "table": _slice_table(found),
        "fusion": fusion_rows(found, [ALL, *datasets]),
        "metrics": [
            name for name in METRICS if found.fusion is not None and name in set(found.fusion["metric"])
        ],
        "datasets": datasets,
        "columns": datasets if len(datasets) > 1 else [],  # of a single set the mean says it all
        "ALL": ALL,
        "each": EACH,
    }


def _slice_table(found: Failures) -> dict[str, list[tuple[str, int, int, dict[str, Any]]]]:
    """Per trait: (value, label, pictures, slice by detector)."""
    table: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for one in found.slices:
        table.setdefault(one.trait, {}).setdefault((one.value, one.label), {})[one.detector] = one
    return {
        trait: [
            (value, label, next(iter(members.values())).pictures, members)
            for (value, label), members in rows.items()
        ]
        for trait, rows in table.items()
    }


def _page(context: dict[str, Any]) -> str:
    return outlined("benchmarks.reports.failures").get_template("page.html.j2").render(**context)


def _csv(table: pd.DataFrame) -> str:
    return csv_text(list(table.columns), table.to_dict("records"))
