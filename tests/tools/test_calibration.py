"""The calibration page: it is of the tool's grid, names every interval and test, and holds what the project promises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from benchmarks.metrics.intervals import Nothing, way_of
from benchmarks.metrics.validation import Validation
from benchmarks.reports.statistics.verdicts import PREFERRED
from benchmarks.runfolder.metrics_file import METRICS
from registry import load_plugins
from tests.conftest import ROOT
from tools.calibration import page, samples, scenarios
from tools.calibration.scenarios import FRIEDMAN, INTERVAL, ONE, REALS, SCENARIOS, SLICES, TEST
from tools.calibration.simulate import grid, simulate

PARTS = page.read()
COMMON = f"mean of {samples.SETS} sets, {REALS[True]}"


def test_the_page_is_what_its_numbers_say() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(PARTS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_numbers_are_of_the_grid_that_the_tool_has(name: str) -> None:
    """And of all that a simulation gives now: a new metric or test is not on the page until it is simulated."""
    part, scenario = PARTS[name], SCENARIOS[name]
    assert part["grid"] == grid(scenario), f"python -m tools.calibration {name}"
    n, signal = max(scenario.sizes), scenario.signals[-1]
    _, found, _ = simulate(name, n, signal, range(1))
    there = {
        (row["kind"], row["name"], row["where"])
        for row in part["rows"]
        if (row["pictures"], row["signal"]) == (n, signal)
    }
    assert found.keys() <= there, f"python -m tools.calibration {name}"


def test_at_least_500_simulations_each() -> None:
    assert min(part["grid"]["simulations"] for part in PARTS.values()) >= 500
    # an interval can be without limits where resamples do not vary
    few = [row for part in PARTS.values() for row in part["rows"] if row["simulations"] < 500]
    assert {(row["kind"], row["where"].partition(",")[0]) for row in few} <= {
        (INTERVAL, "difference of detectors")
    }


def test_every_metric_that_shows_an_interval_is_on_the_page() -> None:
    entries = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    shown = {one.name for one in entries if not isinstance(way_of(one.load()), Nothing)}
    rows = page.rows_of(PARTS, INTERVAL)
    chosen = set(Validation("val", scenarios.FPR).metrics)
    for reals in REALS.values():
        of = {f"{ONE}, {reals}": shown, f"mean of {samples.SETS} sets, {reals}": shown}
        of |= {f"chosen elsewhere, {sets}, {reals}": chosen for sets in (ONE, "mean of 3 sets")}
        for where, names in of.items():
            assert {row["name"] for row in rows if row["where"] == where} == names
    assert all(way_of(one.load()).measured for one in entries), "its coverage is on the page"


def test_every_test_is_on_the_page() -> None:
    tests = {row["name"].partition(": ")[0] for row in page.rows_of(PARTS, TEST)}
    assert {*PREFERRED, FRIEDMAN, SLICES} <= tests


# what else computes with distributions, and why it is no test or interval of its own
KNOWN = {
    "audits/separability.py": "audit",
    "metrics/delong.py": "ranks for DeLong's test",
    "metrics/intervals.py": "intervals",
    "metrics/over_seeds.py": "intervals and test over seeds",
    "metrics/shared.py": "draws resamples",
    "reports/failures/agreement.py": "ranks",
    "reports/failures/slices.py": SLICES,
    "reports/statistics/mean_ranks.py": FRIEDMAN,
    "reports/statistics/paired.py": "tests of pairs",
}


def importing(module: str) -> Iterator[str]:
    """Files of the harness that import a module."""
    for path in (ROOT / "benchmarks").rglob("*.py"):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        if module in names:
            yield path.relative_to(ROOT / "benchmarks").as_posix()


def test_no_other_module_computes_with_distributions() -> None:
    """A module that begins to is asked what of it is simulated."""
    assert sorted(importing("scipy.stats")) == sorted(KNOWN)


def test_no_interval_is_shown_that_covers_too_seldom() -> None:
    assert [row for row in page.rows_of(PARTS, INTERVAL) if row["share"] < page.LEAST] == []


def test_means_over_common_real_pictures() -> None:
    for row in page.rows_of(PARTS, INTERVAL):
        if row["where"] == COMMON and row["name"] == "auroc" and row["pictures"] >= 100:
            assert 0.92 <= row["share"] <= 0.98, row
    for name in METRICS:
        tests = [
            row["share"]
            for row in page.rows_of(PARTS, TEST)
            if COMMON in row["where"] and row["name"].endswith(f": {name}") and row["pictures"] >= 100
        ]
        assert len(tests) == 2 * len(samples.SIGNALS)
        assert np.mean(tests) <= page.MOST


@pytest.mark.slow
def test_means_over_common_real_pictures_simulated_anew() -> None:
    hits, counts, _ = simulate("common", 100, 1.0, range(1000, 1400))
    share = {key: hits[key] / counts[key] for key in counts}
    assert 0.92 <= share[INTERVAL, "auroc", COMMON] <= 0.98
    for metric in ("ap", "auroc", "acc"):
        assert share[TEST, f"paired bootstrap: {metric}", f"one pair, {COMMON}"] <= page.MOST
    assert [key for key, value in share.items() if key[0] == INTERVAL and value < 0.88] == []


@pytest.mark.slow
def test_drawn_set_by_set_they_would_cover_too_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation finds what was wrong before."""
    monkeypatch.setattr(scenarios, "sharing_of", lambda *_: None)
    hits, counts, _ = simulate("common", 100, 1.0, range(150))
    key = (INTERVAL, "auroc", COMMON)
    assert hits[key] / counts[key] < 0.80


@pytest.mark.slow
@pytest.mark.parametrize(("name", "signal"), [*product(("own", "detectors", "seeds"), (1.0, 3.0))])
def test_intervals_simulated_anew(name: str, signal: float) -> None:
    """Beside the page, which is of other random numbers; 150 simulations are within 0.06 of 0.95."""
    hits, counts, _ = simulate(name, 100, signal, range(1000, 1150))
    low = {key: hits[key] / n for key, n in counts.items() if key[0] == INTERVAL and hits[key] / n < 0.87}
    assert not low
    rejected = [hits[key] / n for key, n in counts.items() if key[0] == TEST]
    assert bool(rejected) is (name != "own"), "the scenario of one detector makes no test"
    assert not rejected or np.mean(rejected) < 0.07
