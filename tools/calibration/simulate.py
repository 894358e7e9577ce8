"""Runs scenarios in processes and counts what their outcomes were."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from tools.calibration.samples import RESAMPLES
from tools.calibration.scenarios import SCENARIOS, Scenario

SIMULATIONS = 500
_CHUNK = 50

Key = tuple[str, str, str]
"""kind, name, where of an `Outcome`."""


def simulate(
    scenario: str, n: int, signal: float, numbers: Sequence[int]
) -> tuple[Counter[Key], Counter[Key], float]:
    """Hits and outcomes by key, and the processor seconds; the same for the same numbers, in whatever process."""
    began = time.process_time()
    hits: Counter[Key] = Counter()
    counts: Counter[Key] = Counter()
    for number in numbers:
        rng = np.random.default_rng([number, n, round(10 * signal)])
        for *key, hit in SCENARIOS[scenario].simulate(rng, n, signal, number):
            kind, name, where = key
            counts[kind, name, where] += 1
            hits[kind, name, where] += bool(hit)
    return hits, counts, time.process_time() - began


def grid(scenario: Scenario) -> dict[str, Any]:
    """What a scenario's figures are of."""
    return {
        "pictures": list(scenario.sizes),
        "signals": list(scenario.signals),
        "simulations": SIMULATIONS,
        "resamples": RESAMPLES,
    }


def run(scenario: Scenario, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """The part of `calibration.json` of one scenario: its grid, processor seconds and rows."""
    chunks = [range(start, start + _CHUNK) for start in range(0, SIMULATIONS, _CHUNK)]
    started = {
        (n, signal): [pool.submit(simulate, scenario.name, n, signal, numbers) for numbers in chunks]
        for n in sorted(scenario.sizes, reverse=True)
        for signal in scenario.signals
    }
    seconds, rows = 0.0, []
    for (n, signal), futures in started.items():
        hits: Counter[Key] = Counter()
        counts: Counter[Key] = Counter()
        for future in futures:
            found, counted, spent = future.result()
            hits.update(found)
            counts.update(counted)
            seconds += spent
        rows += [
            {
                **dict(zip(("kind", "name", "where"), key, strict=True)),
                "pictures": n,
                "signal": signal,
                "share": round(hits[key] / counted_, 4),
                "simulations": counted_,
            }
            for key, counted_ in counts.items()
        ]
    rows.sort(key=lambda row: (row["signal"], row["pictures"]))
    return {"grid": grid(scenario), "seconds": round(seconds), "rows": rows}
