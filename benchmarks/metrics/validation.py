"""What is chosen on the clean pictures of a validation set, and how it does on the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.accuracy import acc, acc_fake, acc_real
from benchmarks.metrics.bootstrap import Metric
from benchmarks.metrics.cell import Measurement, measure
from benchmarks.metrics.intervals import Rates, Resampled, interval_facts, way_of
from benchmarks.metrics.likelihood_ratios import calibration, cllr
from benchmarks.metrics.shared import SharedPictures
from benchmarks.metrics.tally import Floats, Tally, Undefined, counted
from benchmarks.metrics.thresholds import best_threshold, threshold_at_fpr


def _false_alarms(tally: Tally) -> list[tuple[float, float, float]]:
    return [(1.0, round((1 - float(acc_real.of(tally))) * tally.n_real), tally.n_real)]


@counted(real=1, fake=0, interval=Rates(_false_alarms))
def _false_positive_rate(tally: Tally) -> Floats:
    """Share of the real pictures that are called generated."""
    return 1 - acc_real.of(tally)


@dataclass(frozen=True)
class Validation:
    """A validation set by its name, and the false-positive rate that is asked for, in (0, 1), or None."""

    on: str
    fpr: float | None = None

    @property
    def accuracies(self) -> dict[str, Metric]:
        """At the threshold with the highest accuracy there; names as in metrics.json."""
        return {f"{name}@{self.on}": metric for name, metric in _ACCURACIES.items()}

    @property
    def rates(self) -> dict[str, Metric]:
        """At the threshold for the false-positive rate asked for, where one is; false positives first."""
        if self.fpr is None:
            return {}
        return {f"{name}_at_{self.fpr}@{self.on}": metric for name, metric in _RATES.items()}

    @staticmethod
    def fpr_named(metrics: Iterable[str]) -> float | None:
        """The false-positive rate that most names of `rates` among these state; None without one in (0, 1)."""
        found = Counter(
            name.partition("_at_")[2].partition("@")[0] for name in metrics if "_at_" in name and "@" in name
        )
        for text, _ in found.most_common():
            try:
                rate = float(text)
            except ValueError:
                continue
            if 0 < rate < 1:
                return rate
        return None

    @property
    def ratios(self) -> dict[str, Metric]:
        """Of likelihood ratios by the logistic regression fitted there."""
        return {f"cllr@{self.on}": cllr}

    @property
    def metrics(self) -> dict[str, Metric]:
        """All of them."""
        return {**self.accuracies, **self.rates, **self.ratios}

    @property
    def shown(self) -> list[str]:
        """What a report shows of them unless told otherwise."""
        return [next(iter(self.accuracies)), *list(self.rates)[1:]]

    def summaries(self) -> dict[str, dict[str, Any]]:
        """What metrics.json says of these metrics. left_out: the test set that no mean of them includes."""
        best = f"at the threshold best on clean {self.on}"
        rate = (
            f"at the threshold for a false-positive rate of {self.fpr:g} on clean {self.on}"
            if self.fpr
            else ""
        )
        fitted = f"after a logistic regression fitted on clean {self.on}"
        return {
            name: {
                "summary": f"{(metric.__doc__ or name).split('.')[0]}, {how}",
                "higher_is_better": metric not in (_false_positive_rate, cllr),
                "left_out": self.on,
                "interval": interval_facts(metric),
            }
            for group, how in ((self.accuracies, best), (self.rates, rate), (self.ratios, fitted))
            for name, metric in group.items()
        }


_ACCURACIES: Mapping[str, Metric] = {"acc": acc, "acc_real": acc_real, "acc_fake": acc_fake}
_RATES: Mapping[str, Metric] = {"fpr": _false_positive_rate, "tpr": acc_fake}


@dataclass(frozen=True)
class Choice:
    """What was chosen for one detector; a text says why there is none.

    threshold: the logit above which a picture is called generated, for the highest accuracy; at_fpr: for the
    false-positive rate asked for, None where none is. calibration: slope and offset of ln LR.
    """

    threshold: float | str
    at_fpr: float | str | None
    calibration: tuple[float, float] | str


def choose(validation: Validation, labels: NDArray[Any], logits: NDArray[Any]) -> Choice:
    """Choose on labels (N,) and logits (N,) of the clean pictures that no other test set holds."""

    def found(choice: Callable[[], Any], what: str) -> Any:
        try:
            return choice()
        except Undefined as reason:
            return f"no {what} from {validation.on}: {reason}"

    fpr = validation.fpr
    return Choice(
        found(lambda: best_threshold(labels, logits), "threshold"),
        None if fpr is None else found(lambda: threshold_at_fpr(labels, logits, fpr), "threshold"),
        found(lambda: calibration(labels, logits), "calibration"),
    )


def measure_validated(
    validation: Validation,
    choice: Choice,
    here: str,
    labels: NDArray[Any],
    logits: NDArray[Any],
    resamples: int,
    rng: Callable[[], np.random.Generator],
    shared: SharedPictures | None = None,
) -> Measurement:
    """Test set `here` at what was chosen; all undefined where that is the validation set.

    rng: the random numbers of the resamples, from their start. The false-positive rate and the true-positive rate at
    the threshold for one have exact binomial intervals, also without resamples.
    """
    logits = logits.astype(float)
    parts = [(validation.accuracies, choice.threshold), (validation.ratios, choice.calibration)]
    if choice.at_fpr is not None:
        parts.append((validation.rates, choice.at_fpr))
    whole = Measurement({}, {})
    for metrics, chosen in parts:
        if here == validation.on:
            chosen = "it was chosen on these pictures"
        if isinstance(chosen, str):
            part = Measurement(dict.fromkeys(metrics), dict.fromkeys(metrics, chosen))
        else:
            slope, offset = chosen if isinstance(chosen, tuple) else (1.0, -chosen)
            sample = labels, slope * logits + offset
            part = measure(metrics, *sample, resamples, rng(), shared)
            if metrics.keys() == validation.rates.keys() and not resamples:
                part = _with_exact_intervals(part, metrics, *sample)
        whole = joined(whole, part)
    return whole


def joined(first: Measurement, second: Measurement) -> Measurement:
    """Both measurements of one cell as one."""
    return Measurement(
        {**first.values, **second.values},
        {**first.undefined, **second.undefined},
        {**first.estimates, **second.estimates},
        {**first.no_interval, **second.no_interval},
        {**first.replicates, **second.replicates},
        first.shares or second.shares,
    )


def _with_exact_intervals(
    rates: Measurement, metrics: Mapping[str, Metric], labels: NDArray[Any], logits: NDArray[Any]
) -> Measurement:
    """Rates with their intervals, which need no resamples."""
    known = {name: value for name, value in rates.values.items() if value is not None}
    tally = Tally.of(labels, logits)
    estimates = {
        name: way_of(metrics[name]).of(Resampled(labels, logits, tally, value, np.empty(0)))
        for name, value in known.items()
    }
    return replace(rates, estimates=estimates)
