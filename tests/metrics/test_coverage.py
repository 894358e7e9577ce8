"""How often the intervals hold the true value, by simulation; `-m slow -s` prints the table that `docs/reports.md` has."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.cell import measure
from benchmarks.metrics.intervals import way_of
from registry import load_plugins

SIMULATIONS, RESAMPLES, LEAST = 500, 200, 0.90
SIZES = (10, 40, 100, 400)
SIGNALS = (0.0, 1.0, 3.0)
"""Distance of the classes' normal logits, in standard deviations; they lie symmetrically about 0."""


def drawn(rng: np.random.Generator, n: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([0, 1], n)
    return labels, rng.normal((labels - 0.5) * signal).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("signal", SIGNALS)
def test_every_interval_that_is_shown_covers(signal: float) -> None:
    metrics = {one.name: one.load() for one in load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics}
    metrics = {name: metric for name, metric in metrics.items() if way_of(metric).measured}
    truth = measure(metrics, *drawn(np.random.default_rng(1), 500_000, signal), 0, np.random.default_rng(0))
    low = {}
    for n in SIZES:
        rng = np.random.default_rng([n, int(signal)])
        found = [measure(metrics, *drawn(rng, n, signal), RESAMPLES, rng) for _ in range(SIMULATIONS)]
        for name, value in truth.values.items():
            shown = [one.estimates[name] for one in found if name in one.estimates]
            assert len(shown) in (0, SIMULATIONS), "the number of pictures decides"
            if shown and value is not None:
                share = np.mean([one.low <= value <= one.high for one in shown])
                print(f"| {name} | {signal:g} | {n} | {share:.3f} |")
                low |= {(name, n): share} if share < LEAST else {}
    assert not low
