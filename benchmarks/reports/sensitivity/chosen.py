"""The way of feeding that a validation set prefers, measured on the other sets: the one choice that may be claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.metrics.bootstrap import Metric
from benchmarks.metrics.means import ALL
from benchmarks.metrics.tally import Undefined
from benchmarks.reports.load import Run
from benchmarks.reports.sensitivity.moved import (
    DEFAULT,
    Moved,
    Sensitivity,
    SensitivityReport,
    paired_tests,
)
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import CLEAN, Cell, read_cell
from benchmarks.runfolder.sharing import shared_paths
from registry.errors import UserError, unknown_name


@dataclass(frozen=True)
class Chosen:
    """One detector: the way that is best on the validation set's own pictures.

    on_default, on_chosen: the metric there. default: mean over the other test sets as it is fed by default, None where one
    is undefined; moved: the same of the way chosen, with its paired test. sets: how many they are.
    """

    detector: str
    feed: str
    on_default: float
    on_chosen: float
    default: float | None
    moved: Moved
    sets: int


def choose(run: Run, found: SensitivityReport, validation: str) -> list[Chosen]:
    """Choose a way for each detector.

    validation: a test set; its pictures that another test set holds, too, take no part in the choice.

    Raises:
        UserError: no such test set, no other one, or no score files.
    """
    if validation not in found.datasets:
        raise unknown_name("test set of this run", validation, found.datasets)
    others = [name for name in found.datasets if name != validation]
    if not others or run.folder is None:
        raise UserError(f"a way of feeding chosen on {validation} needs another test set to be measured on")
    metric: Metric = recorded_metrics(run.record, run.plugins).catalog.entry(found.metric).load()
    return [_chosen(run, one, found, validation, others, metric) for one in found.detectors]


def _chosen(
    run: Run,
    one: Sensitivity,
    found: SensitivityReport,
    validation: str,
    others: Sequence[str],
    metric: Metric,
) -> Chosen:
    there = {
        row.feed: _value(run, row.label, validation, others, metric)
        for row in one.rows
        if row.sets[validation].value is not None
    }
    if DEFAULT not in there:
        raise UserError(f"{one.detector} has no {found.metric} on {validation}: choose another --validation")
    best = (max if found.higher_is_better else min)(there, key=lambda feed: there[feed])
    label = next(row.label for row in one.rows if row.feed == best)
    default, value = (_mean(one, feed, others) for feed in (DEFAULT, best))
    difference = None if value is None or default is None else value - default
    moved = Moved(value, difference, same=best == DEFAULT)
    if best != DEFAULT and difference is not None:
        cells = [cell for cell in run.metrics["cells"] if cell["dataset"] != validation]
        rest = replace(run, metrics={**run.metrics, "cells": cells})
        test = paired_tests(rest, [one.detector, label], found.metric).get(
            (label, rest.mean_pictures(found.metric)[ALL])
        )
        if test is not None:
            moved = replace(moved, low=test.low, high=test.high, p=test.p, p_holm=test.p)
    return Chosen(one.detector, best, there[DEFAULT], there[best], default, moved, len(others))


def _value(run: Run, label: str, validation: str, others: Sequence[str], metric: Metric) -> float:
    """The metric on the validation set's own pictures; of several trainings, their mean."""
    assert run.folder is not None
    common = shared_paths(run.folder, validation, others)
    values = []
    for member in (run.groups.get(label) or {"": label}).values():
        rows = read_cell(run.folder, Cell(member, validation, CLEAN), ("path", "label", "logit"))
        logits = rows["logit"].to_numpy(np.float32, na_value=np.nan)
        own = np.isfinite(logits) & ~rows["path"].isin(common).to_numpy()
        try:
            values.append(float(metric(rows["label"].to_numpy(np.int64)[own], logits[own])))
        except Undefined as reason:
            raise UserError(
                f"nothing can be chosen on {validation}, without pictures that other test sets hold: {reason}"
            ) from None
    return float(np.mean(values))


def _mean(one: Sensitivity, feed: str, datasets: Sequence[str]) -> float | None:
    row = next(row for row in one.rows if row.feed == feed)
    values = [row.sets[name].value for name in datasets]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
