"""Thresholds chosen on one test set and used on the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.accuracy import acc, acc_fake, acc_real
from benchmarks.metrics.cell import Measurement, measure
from benchmarks.metrics.intervals import interval_facts
from benchmarks.metrics.shared import SharedPictures
from benchmarks.metrics.tally import Tally, Undefined

ACCURACIES = {"acc": acc, "acc_real": acc_real, "acc_fake": acc_fake}


def best_threshold(labels: ArrayLike, logits: ArrayLike) -> float:
    """The logit above which pictures are best called generated: highest accuracy on this sample.

    Half-way between two neighbouring logits, or 1 beyond the outermost; of equally good ones the
    nearest to 0.

    Raises:
        Undefined: too few pictures of a class.
    """
    tally = Tally.of(labels, logits)
    acc.measure(tally)
    distinct = tally.logits[::-1]
    between = (distinct[:-1] + distinct[1:]) / 2
    candidates = np.concatenate([[distinct[0] + 1], between, [distinct[-1] - 1]])
    right = tally.hits + (tally.n_real - tally.false_alarms)
    best = candidates[right == right.max()]
    return float(best[np.argmin(np.abs(best))])


def calibrated_names(dataset: str) -> dict[str, str]:
    """Names of the accuracies at a threshold chosen on `dataset`, by plain name."""
    return {name: f"{name}@{dataset}" for name in ACCURACIES}


def calibrated_summaries(dataset: str) -> dict[str, dict[str, Any]]:
    """What metrics.json says of them. left_out: the test set that no mean of them includes."""
    return {
        label: {
            "summary": f"{ACCURACIES[name].__doc__ or name}".split("\n")[0].rstrip(".")
            + f", at the threshold best on clean {dataset}",
            "higher_is_better": True,
            "left_out": dataset,
            "interval": interval_facts(ACCURACIES[name]),
        }
        for name, label in calibrated_names(dataset).items()
    }


def measure_calibrated(
    dataset: str,
    threshold: float | str,
    here: str,
    labels: NDArray[Any],
    logits: NDArray[Any],
    resamples: int,
    rng: np.random.Generator,
    shared: SharedPictures | None = None,
) -> Measurement:
    """Accuracies of test set `here` at a threshold chosen on `dataset`; threshold: a text says why none."""
    names = calibrated_names(dataset)
    if here == dataset:
        threshold = "the threshold was chosen on these pictures"
    if isinstance(threshold, str):
        return Measurement(dict.fromkeys(names.values()), dict.fromkeys(names.values(), threshold))
    metrics = {names[name]: metric for name, metric in ACCURACIES.items()}
    return measure(metrics, labels, logits.astype(float) - threshold, resamples, rng, shared)


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


def chosen_threshold(labels: ArrayLike, logits: ArrayLike, dataset: str) -> float | str:
    """The threshold best on a test set, or why there is none."""
    try:
        return best_threshold(labels, logits)
    except Undefined as reason:
        return f"no threshold from {dataset}: {reason}"
