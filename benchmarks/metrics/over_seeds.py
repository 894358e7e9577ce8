"""Figures of a detector that was trained with several random seeds: mean, spread, and what both sources of chance allow.

A figure of one training on one sample of pictures differs from what the recipe gives on the whole by two chances: the
seed's and the pictures'. Seeds of one detector see the same pictures, so their errors from the pictures rise and fall
together and do not average out. That is the model of Obuchowski and Rockette, "Hypothesis testing of diagnostic accuracy
for multiple readers and multiple tests" (Communications in Statistics, Simulation and Computation 24, 1995), with seeds
for readers, nested in their detector, and pictures for cases:

    variance of a detector's mean over S seeds = s² / S + c

s² is the variance of its figures over seeds, c the mean covariance of two seeds' figures over samples of pictures, here
over paired bootstrap resamples. The part of the pictures' chance in which seeds differ is in s² already. A difference of
two detectors adds the first parts of both and has c₁ + c₂ − 2 c₁₂ for the second. Tests and intervals of differences take
Student's t with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946; for this model Hillis, Statistics in
Medicine 26, 2007), those of means are `interval_over_seeds`. A detector of a single training has no s²: what is said of it holds for these weights, not for its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.cell import COMPLETE, FAILED
from benchmarks.metrics.intervals import LEVEL, Limits, combined, correlation_of
from benchmarks.metrics.tally import Floats

_ORDER = (COMPLETE, "partial", FAILED)


@dataclass(frozen=True)
class Estimate:
    """A difference of two means over seeds. variance: of both chances; degrees: of freedom of Student's t."""

    value: float
    variance: float
    degrees: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval that holds the true value in a share `level` of samples of seeds and pictures."""
        reach = float(scipy.stats.t.ppf((1 + level) / 2, self.degrees)) * self.variance**0.5
        return self.value - reach, self.value + reach

    @property
    def p(self) -> float:
        """Two-sided p-value of the true value being 0; NaN where nothing varies and the value is not 0."""
        if np.isclose(self.value, 0, rtol=0, atol=1e-12):
            return 1.0
        if self.variance <= 1e-24:
            return float("nan")
        return float(2 * scipy.stats.t.sf(abs(self.value) / self.variance**0.5, self.degrees))


def interval_over_seeds(trainings: Sequence[Limits], replicates: Floats) -> Limits:
    """The 95 % interval of the mean of one detector's S trainings, two or more.

    trainings: each with its own interval, of the pictures' chance. replicates: (S, R), paired over the trainings.
    Each chance has limits of its own, and their distances are added in squares: Student's t with S - 1 degrees of freedom
    for s² / S, and for the pictures the trainings' own intervals, as in a mean over test sets. So the part of the
    pictures' chance in which seeds differ is counted twice: else two seeds that happen to agree would leave next to nothing.
    """
    share = np.full(len(trainings), 1 / len(trainings))
    pictures = combined(trainings, share, correlation_of(replicates))
    spread = np.std([one.centre for one in trainings], ddof=1)
    reach = scipy.stats.t.ppf((1 + LEVEL) / 2, len(trainings) - 1) * spread / len(trainings) ** 0.5
    below, above = (
        np.hypot(reach, side) for side in (pictures.centre - pictures.low, pictures.high - pictures.centre)
    )
    return Limits(pictures.centre, pictures.centre - float(below), pictures.centre + float(above))


def difference_over_seeds(first: Floats, second: Floats, replicates: Floats) -> Estimate:
    """Mean of the first detector's trainings less that of the second's.

    first: (S,); second: (T,), single trainings allowed. replicates: (S + T, R), those of the first before those of the
    second, paired over all.
    """
    covariance = np.cov(replicates)
    parts, slices = (first, second), (slice(len(first)), slice(len(first), None))
    of_seeds = [float(np.var(part, ddof=1)) / len(part) if len(part) > 1 else 0.0 for part in parts]
    of_pictures = sum(
        (1 if rows == columns else -1) * _mean_covariance(covariance[rows, columns], same=rows == columns)
        for rows in slices
        for columns in slices
    )
    variance = sum(of_seeds) + max(0.0, of_pictures)
    uncertain = sum(v**2 / (len(part) - 1) for v, part in zip(of_seeds, parts, strict=True) if len(part) > 1)
    value = float(np.mean(first) - np.mean(second))
    return Estimate(value, variance, variance**2 / uncertain if uncertain else np.inf)


def _mean_covariance(block: NDArray[np.float64], same: bool) -> float:
    """Between different trainings, where there are several: a training's own variance is in the spread over seeds."""
    if same and len(block) > 1:
        block = block[~np.eye(len(block), dtype=bool)]
    return float(block.mean())


def spread_of(values: Sequence[float | None]) -> dict[str, float] | None:
    """Standard deviation of a sample, lowest and highest value over seeds; None of a single one, or where one is None."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    return {
        "standard_deviation": float(np.std(known, ddof=1)),
        "lowest": min(known),
        "highest": max(known),
    }


def over_seeds(
    group: str,
    seeds: Sequence[int],
    members: Sequence[Mapping[str, Any]],
    replicates: Sequence[Mapping[str, Floats]],
) -> dict[str, Any]:
    """A cell or mean of a detector over its trainings, from those of each.

    members: of each training, the same cell or mean; replicates: (resamples,) of each by metric.

    Returns:
        The like of a member, its metrics means over seeds and undefined where one seed's is, with `seeds` and
        `spread`: standard deviation, lowest and highest over seeds by metric, None of a single training.
    """
    names = list(members[0]["metrics"])
    metrics: dict[str, float | None] = {}
    ci: dict[str, list[float] | None] = {}
    spread: dict[str, dict[str, float] | None] = {}
    undefined: dict[str, str] = {}
    for name in names:
        known = [member["metrics"][name] for member in members]
        metrics[name] = ci[name] = spread[name] = None
        lacking = [seed for seed, value in zip(seeds, known, strict=True) if value is None]
        if lacking:
            undefined[name] = f"undefined with seed {', '.join(map(str, lacking))}"
            continue
        values = np.array(known, dtype=float)
        metrics[name] = float(values.mean())
        if len(values) == 1:
            ci[name] = members[0]["ci"][name]
            continue
        spread[name] = spread_of(known)
        # where a figure's pictures allow no interval of a training, they allow none of the mean
        if all(member["ci"][name] for member in members):
            drawn = np.stack([one[name] for one in replicates])
            own = [Limits(value, *member["ci"][name]) for value, member in zip(known, members, strict=True)]
            found = interval_over_seeds(own, drawn)
            ci[name] = [found.low, found.high]
    status = max((member["status"] for member in members), key=_ORDER.index)
    reasons = [
        f"seed {seed}: {member['reason']}"
        for seed, member in zip(seeds, members, strict=True)
        if member["reason"] and member["status"] != COMPLETE
    ]
    return {
        **members[0],
        "detector": group,
        "seeds": list(seeds),
        "untrained": any(member["untrained"] for member in members),
        "status": status,
        "reason": "; ".join(reasons) or None,
        "metrics": metrics,
        "ci": ci,
        "spread": spread,
        "undefined": undefined,
        **({"n_sets": min(m["n_sets"] for m in members)} if "n_sets" in members[0] else {}),
        **(
            {key: fold(m[key] for m in members) for key, fold in _COUNTS.items()}
            if "n_real" in members[0]
            else {}
        ),
    }


_COUNTS = {"n_real": min, "n_fake": min, "n_error": max}
