"""All metrics of one cell, from its score rows and what was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import bootstrap
from benchmarks.metrics.bootstrap import Metric
from benchmarks.metrics.intervals import Limits, NoInterval, Resampled, way_of
from benchmarks.metrics.shared import SharedPictures
from benchmarks.metrics.tally import CountedMetric, Floats, Tally, Undefined
from registry.dataset import FAKE, REAL

COMPLETE, PARTIAL, FAILED = "complete", "partial", "failed"
_SHOWN = 3


@dataclass(frozen=True)
class Measurement:
    """What is known of one cell, by metric. values: None where undefined; undefined: why.

    estimates: of those that have an interval; no_interval: why a defined metric has none, though intervals were asked
    for. replicates: bootstrap replicates of the defined metrics, float64 (resamples,). shares: some of the pictures are
    in other test sets, too, and were drawn for all alike.
    """

    values: dict[str, float | None]
    undefined: dict[str, str]
    estimates: dict[str, Limits] = field(default_factory=dict)
    no_interval: dict[str, str] = field(default_factory=dict)
    replicates: dict[str, Floats] = field(default_factory=dict)
    shares: bool = False

    @property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Low and high of every metric, None where it has none."""
        found = {name: (one.low, one.high) for name, one in self.estimates.items()}
        return {name: found.get(name) for name in self.values}


def measure(
    metrics: Mapping[str, Metric],
    labels: NDArray[Any],
    logits: NDArray[Any],
    resamples: int,
    rng: np.random.Generator,
    shared: SharedPictures | None = None,
) -> Measurement:
    """Every metric on one sample of finite logits, with 95 % intervals if `resamples` is not 0."""
    values: dict[str, float | None] = dict.fromkeys(metrics)
    undefined: dict[str, str] = {}
    tally = Tally.of(labels, logits)
    for name, metric in metrics.items():
        try:
            if isinstance(metric, CountedMetric):
                value = float(metric.measure(tally))
            else:
                value = float(metric(labels, logits))
        except Undefined as reason:
            undefined[name] = str(reason)
        except Exception as error:  # an outside plugin's metric ends its own column only
            undefined[name] = f"{type(error).__name__}: {error}"
        else:
            if np.isfinite(value):
                values[name] = value
            else:
                undefined[name] = f"the value is {value}"
    known = {name: metric for name, metric in metrics.items() if values[name] is not None}
    if not resamples or not known:
        return Measurement(values, undefined)
    replicates = bootstrap.replicates(known, labels, logits, resamples, rng, shared)
    estimates: dict[str, Limits] = {}
    no_interval: dict[str, str] = {}
    for name, metric in known.items():
        try:
            sample = Resampled(labels, logits, tally, values[name] or 0.0, replicates[name])
            estimates[name] = way_of(metric).of(sample)
        except NoInterval as reason:
            no_interval[name] = str(reason)
    return Measurement(values, undefined, estimates, no_interval, replicates, shared is not None)


@dataclass(frozen=True)
class Coverage:
    """How much of what was asked has a score. reason: empty for a complete cell."""

    n_real: int
    n_fake: int
    n_error: int
    status: str
    reason: str


def coverage(
    labels: NDArray[Any],
    scored: NDArray[np.bool_],
    errors: Sequence[str],
    asked: Mapping[str, int],
    failure: str | None,
) -> Coverage:
    """Compare the rows of a cell with what was asked.

    labels, scored: (N,) of every row. errors: of the rows that are not scored. failure: why the detector stopped,
    if it did.
    """
    n_fake = int(np.count_nonzero(labels[scored] == FAKE))
    n_real = int(np.count_nonzero(labels[scored] == REAL))
    want_real, want_fake = asked["real"], asked["fake"]
    wanted = want_real + want_fake
    absent = wanted - n_real - n_fake - len(errors)
    reasons = []
    if not wanted:
        reasons.append("the test set has no pictures")
    if len(errors):
        reasons.append(f"{len(errors)} of {wanted} pictures failed ({_most_common(errors)})")
    if absent and absent == wanted:
        reasons.append("no picture was reached")
    elif absent > 0:
        reasons.append(f"{absent} of {wanted} pictures have no row")
    elif absent < 0:
        reasons.append(f"{-absent} more pictures than the {wanted} asked for")
    elif not len(errors) and n_real != want_real:
        reasons.append(f"{n_real} real and {n_fake} generated instead of {want_real} and {want_fake}")
    if reasons and failure:
        reasons.append(failure)
    status = COMPLETE if not reasons else PARTIAL if n_real + n_fake else FAILED
    return Coverage(n_real, n_fake, len(errors), status, "; ".join(reasons))


def _most_common(errors: Sequence[str]) -> str:
    counts = Counter(errors)
    shown = [f"{text} ×{count}" if count > 1 else text for text, count in counts.most_common(_SHOWN)]
    return "; ".join([*shown, *(["…"] if len(counts) > _SHOWN else [])])


def grouped_reasons(undefined: Mapping[str, str]) -> str:
    """`metric, metric: reason; …` with equal reasons named once."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in undefined.items():
        names[reason].append(name)
    return "; ".join(f"{', '.join(group)}: {reason}" for reason, group in names.items())
