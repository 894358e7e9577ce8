"""Several detectors as one, fitted on a validation set and measured on the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from benchmarks.metrics.bootstrap import Metric, generator
from benchmarks.metrics.cell import Measurement, measure
from benchmarks.metrics.intervals import NoInterval, way_of
from benchmarks.metrics.likelihood_ratios import fit_logistic
from benchmarks.metrics.means import mean_estimate
from benchmarks.metrics.tally import MIN_PER_CLASS
from benchmarks.reports.failures.scored import Floats, Scored, SetScores
from benchmarks.runfolder.sharing import find_sharing, shared_paths
from registry.dataset import FAKE, REAL
from registry.errors import UserError, unknown_name

MEAN, LOGISTIC = "mean of calibrated scores", "logistic regression"
ALL = "mean"
_SMALLEST = 1e-12
"""Nearest that a mean probability comes to 0 and 1, so that it has a logit."""


@dataclass(frozen=True, eq=False)
class Fusion:
    """Weights of D detectors' logits.

    slopes, offsets: (D,), each detector's own calibration. weights: (D,), offset: of all together.
    """

    slopes: Floats
    offsets: Floats
    weights: Floats
    offset: float

    def mean(self, logits: Floats) -> Floats:
        """Logits (N,) of the mean of the detectors' calibrated probabilities; logits: (D, N)."""
        calibrated = expit(self.slopes[:, None] * logits + self.offsets[:, None])
        found: Floats = logit(calibrated.mean(0).clip(_SMALLEST, 1 - _SMALLEST))
        return found

    def logistic(self, logits: Floats) -> Floats:
        """Logits (N,) of the joint logistic regression."""
        found: Floats = self.weights @ logits + self.offset
        return found


def fit(validation: SetScores) -> Fusion:
    """Fit both fusions by `fit_logistic`.

    Raises:
        UserError: too few pictures of a class.
    """
    counts = [int((validation.labels == kind).sum()) for kind in (REAL, FAKE)]
    if min(counts) < MIN_PER_CLASS:
        raise UserError(
            f"{validation.dataset} has {counts[0]} real and {counts[1]} generated pictures to fit a fusion on that no "
            f"other test set holds; {MIN_PER_CLASS} of each are needed: choose another --validation"
        )
    own = [fit_logistic(one[:, None], validation.labels) for one in validation.logits]
    weights, offset = fit_logistic(validation.logits.T, validation.labels)
    return Fusion(
        np.array([slope[0] for slope, _ in own]), np.array([bias for _, bias in own]), weights, offset
    )


def split_validation(run: Path, scored: Scored, name: str) -> tuple[SetScores, list[SetScores]]:
    """The validation set, without pictures that a tested set holds too, and the sets that are tested.

    Raises:
        UserError: no such set, or no other one.
    """
    known = {one.dataset: one for one in scored.sets}
    if name not in known:
        raise unknown_name("test set that all detectors scored", name, known)
    tested = [one for one in scored.sets if one.dataset != name]
    if not tested:
        raise UserError(f"{name} is the only test set: nothing is left to measure a fusion on")
    common = shared_paths(run, name, [one.dataset for one in tested])
    return known[name].without(common), tested


def measure_fusions(
    run: Path,
    detectors: Sequence[str],
    validation: SetScores,
    tested: Sequence[SetScores],
    metrics: Mapping[str, Metric],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Single detectors and both fusions on the same pictures, set by set and as the mean over sets.

    Columns: name, fusion (bool), dataset, metric, value, low, high (NaN where undefined or without resamples). Single
    detectors are called at their thresholds, so that accuracies compare.
    """
    fitted, sharing = fit(validation), find_sharing(run)
    rows = []
    measured: dict[str, list[Measurement]] = {}
    for one in tested:
        samples = {name: one.logits[d] - one.thresholds[d] for d, name in enumerate(detectors)}
        samples |= {MEAN: fitted.mean(one.logits), LOGISTIC: fitted.logistic(one.logits)}
        shared = sharing.of(one.dataset, np.array(one.paths, dtype=object), one.labels, seed)
        for shown, logits in samples.items():
            rng = generator(seed, one.dataset)
            found = measure(metrics, one.labels, logits, resamples, rng, shared)
            measured.setdefault(shown, []).append(found)
            for metric, value in found.values.items():
                rows.append(
                    _row(
                        shown, shown in (MEAN, LOGISTIC), one.dataset, metric, value, found.intervals[metric]
                    )
                )
    frame = pd.DataFrame(rows)
    means = []
    for (row, which), group in frame.groupby(["name", "metric"], sort=False):
        value = float(group["value"].mean()) if group["value"].notna().all() else None
        bounds = (
            _mean_bounds(str(which), metrics[str(which)], measured[str(row)]) if value is not None else None
        )
        fusion = row in (MEAN, LOGISTIC)
        means.append(_row(str(row), fusion, ALL, str(which), value, bounds))
    return pd.concat([frame, pd.DataFrame(means)], ignore_index=True)


def _mean_bounds(
    name: str, metric: Metric, measurements: Sequence[Measurement]
) -> tuple[float, float] | None:
    try:
        found = mean_estimate(name, way_of(metric), measurements)
    except NoInterval:
        return None
    return (found.low, found.high) if found else None


def _row(
    name: str,
    fusion: bool,
    dataset: str,
    metric: str,
    value: float | None,
    bounds: tuple[float, float] | None,
) -> dict[str, object]:
    low, high = bounds or (np.nan, np.nan)
    return {
        "name": name,
        "fusion": fusion,
        "dataset": dataset,
        "metric": metric,
        "value": np.nan if value is None else value,
        "low": low,
        "high": high,
    }
