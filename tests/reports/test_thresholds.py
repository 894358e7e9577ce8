"""Threshold or signal: the three shares are those of metrics.json and add up to 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.metrics.accuracy import best_threshold_by_chance
from benchmarks.reports.load import Run, read_runs
from benchmarks.reports.thresholds import losses


def test_shares_of_every_cell_and_mean(run: Path) -> None:
    (read,) = read_runs([run])
    found = {
        (x.row.detector, x.perturbation, x.column.group, x.column.pictures, x.column.is_mean): x
        for x in losses([read])
    }
    wanted = 0
    for item in [*read.metrics["cells"], *read.metrics["means"]]:
        if item["metrics"]["acc"] is None:
            continue
        wanted += 1
        mean = "scope" in item
        pictures = read.mean_pictures()[item["scope"]] if mean else read.set_pictures()[item["dataset"]]
        group = item["scope"] if mean else item["paradigm"]
        loss = found[item["detector"], item["perturbation"], group, pictures, mean]
        assert loss.acc == item["metrics"]["acc"]
        assert loss.auroc == item["metrics"]["auroc"]
        assert loss.acc + loss.threshold == pytest.approx(item["metrics"]["acc_best_threshold"], abs=1e-12)
        assert loss.acc + loss.threshold + loss.signal == pytest.approx(1, abs=1e-12)
        assert loss.threshold >= -1e-12
        if not mean:
            assert loss.chance == best_threshold_by_chance(item["n_real"], item["n_fake"])
    assert len(found) == wanted
    (mean,) = (
        x
        for x in found.values()
        if x.column.is_mean
        and x.column.group == "AR"
        and x.row.detector == "strong"
        and x.perturbation == "none"
    )
    both = [best_threshold_by_chance(n, n) for n in (120, 110)]
    assert mean.chance == pytest.approx(sum(both) / 2)


def test_nothing_is_split_without_the_metrics() -> None:
    assert losses([Run("r", {"cells": [], "means": [], "metrics": {}})]) == []
