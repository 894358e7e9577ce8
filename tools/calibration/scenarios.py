"""What is simulated: each scenario, once from random numbers, as outcomes of the product's intervals and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from benchmarks.attribution import p_values
from benchmarks.audits.audit import LEVEL
from benchmarks.audits.separability import separate
from benchmarks.metrics.bootstrap import generator
from benchmarks.metrics.cell import Measurement
from benchmarks.metrics.delong import delong
from benchmarks.metrics.intervals import Limits, NoInterval, Way, way_of
from benchmarks.metrics.means import mean_estimate
from benchmarks.metrics.over_seeds import difference_over_seeds, interval_over_seeds
from benchmarks.metrics.validation import Validation, choose, measure_validated
from benchmarks.reports.failures.slices import error_rate, within_sets
from benchmarks.reports.robustness import suite_mean
from benchmarks.reports.statistics.compare import BOOTSTRAP, DELONG, MCNEMAR, SEEDS
from benchmarks.reports.statistics.mean_ranks import summarise
from benchmarks.reports.statistics.paired import (
    bootstrap_p,
    can_be_tested,
    delong_p,
    difference_has_interval,
    difference_interval,
    holm,
    mcnemar,
)
from benchmarks.reports.statistics.verdicts import ALPHA
from benchmarks.reports.timeline import change_of_means
from tools.calibration.samples import (
    RESAMPLES,
    SETS,
    SIGNALS,
    SIZES,
    endless,
    hardness_of,
    labels_of,
    logits_of,
    measured,
    metrics_with_interval,
    sharing_of,
    truth,
)

INTERVAL, TEST = "interval", "test"
FRIEDMAN, SLICES, AUDIT, ATTRIBUTION = "Friedman", "Cochran–Mantel–Haenszel", "audit", "attribution"
ONE = "one set"
REALS = {False: "own real pictures", True: "common real pictures"}
FPR = 0.1
"""Asked for at operating points: the lowest that 10 real pictures allow."""
PAIRS, FAMILY = "one pair", "any of 6 pairs, after Holm"


class Outcome(NamedTuple):
    """kind: INTERVAL or TEST; name: metric or test; where: on what; hit: the interval holds the true value, or the test rejects."""

    kind: str
    name: str
    where: str
    hit: bool


@dataclass(frozen=True)
class Scenario:
    """simulate(rng, n, signal, number): outcomes of simulation `number` with n pictures per class; says: above its tables."""

    name: str
    says: str
    simulate: Callable[[np.random.Generator, int, float, int], Iterator[Outcome]]
    sizes: Sequence[int] = SIZES
    signals: Sequence[float] = SIGNALS


def _holds(limits: Limits, value: float) -> bool:
    return bool(limits.low <= value <= limits.high)


def _mean(name: str, way: Way, sets: Sequence[Measurement]) -> Limits | None:
    try:
        return mean_estimate(name, way, sets)
    except NoInterval:
        return None


def _sets(rng: np.random.Generator, n: int, signal: float, number: int, common: bool) -> Iterator[Outcome]:
    """One detector on 7 sets alike; on common reals beside a second one that is as good."""
    metrics, true, reals = metrics_with_interval(), truth(signal), REALS[common]
    hardness = hardness_of(rng, n, SETS, common)
    sharing = sharing_of(rng, n, SETS, number) if common else None
    detectors = [
        measured(metrics, logits_of(rng, hardness, signal, common), number, sharing)
        for _ in range(1 + common)
    ]
    for name, metric in metrics.items():
        sets = detectors[0]
        if name in sets[0].estimates:
            yield Outcome(INTERVAL, name, f"{ONE}, {reals}", _holds(sets[0].estimates[name], true[name]))
        if mean := _mean(name, way_of(metric), sets):
            yield Outcome(INTERVAL, name, f"mean of {SETS} sets, {reals}", _holds(mean, true[name]))
            shown = [
                Limits(one.values[name] or 0.0, one.estimates[name].low, one.estimates[name].high)
                for one in sets
            ]
            change = change_of_means(shown[:3], shown[3:], [one.replicates[name] for one in sets])
            yield Outcome(INTERVAL, name, f"later − known sets, {reals}", _holds(change, 0.0))
        if common and all(name in one.replicates for one in sets):
            yield from _pair(name, detectors, n, f"mean of {SETS} sets, {reals}")


def _pair(
    name: str, detectors: Sequence[Sequence[Measurement]], n: int, where: str, true: float = 0.0
) -> Iterator[Outcome]:
    """Two detectors that differ by `true`, means over their sets."""
    way = way_of(metrics_with_interval()[name])
    if not can_be_tested(way, n):
        return
    values = [float(np.mean([one.values[name] or 0.0 for one in sets])) for sets in detectors]
    drawn = [np.mean([one.replicates[name] for one in sets], axis=0) for sets in detectors]
    difference = np.asarray(values[0] - values[1], float)
    replicated = drawn[0] - drawn[1]
    low, high = difference_interval(difference, replicated, way, n)
    if difference_has_interval(way, n) and not np.isnan(low):
        yield Outcome(INTERVAL, name, f"difference of detectors, {where}", bool(low <= true <= high))
    if not true:
        rejected = bool(bootstrap_p(difference, replicated, way, n) < ALPHA)
        yield Outcome(TEST, f"{BOOTSTRAP}: {name}", f"{PAIRS}, {where}", rejected)


def _detectors(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """Four detectors that are as good on one set, and a weaker one."""
    metrics, labels = metrics_with_interval(), labels_of(n)
    hardness = hardness_of(rng, n, 1, common=False)
    weaker = 0.8 * signal
    logits = [logits_of(rng, hardness, one) for one in (signal, signal, signal, signal, weaker)]
    found = [measured(metrics, one, number) for one in logits]
    alike = np.concatenate(logits[:4])
    p = {f"{DELONG}: auroc": delong_p(*delong(labels, alike.astype(float)))}
    p[f"{MCNEMAR}: acc"] = mcnemar((alike > 0) == (labels == 1))
    first, second = np.triu_indices(4, 1)
    for name, metric in metrics.items():
        if name in found[0][0].replicates and can_be_tested(way_of(metric), n):
            drawn = np.stack([one.replicates[name] for (one,) in found[:4]])
            value = np.array([one.values[name] for (one,) in found[:4]], float)
            tested = np.full((4, 4), np.nan)
            observed, replicated = value[first] - value[second], drawn[first] - drawn[second]
            tested[first, second] = bootstrap_p(observed, replicated, way_of(metric), n)
            p[f"{BOOTSTRAP}: {name}"] = tested
            yield from _pair(name, [found[0], found[4]], n, ONE, truth(signal)[name] - truth(weaker)[name])
    for test, values in p.items():
        yield Outcome(TEST, test, f"{PAIRS}, {ONE}", bool(values[0, 1] < ALPHA))
        yield Outcome(TEST, test, f"{FAMILY}, {ONE}", bool((holm(values[first, second]) < ALPHA).any()))


def _operating(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """What was chosen on n pictures per class, on 3 other sets alike; the true value is that of this choice."""
    validation = Validation("val", FPR)
    labels = labels_of(n)
    choice = choose(validation, labels, logits_of(rng, hardness_of(rng, n, 1, False), signal)[0])
    nowhere = partial(generator, number, "endless")
    true = measure_validated(validation, choice, "endless", *endless(signal, 5000), 0, nowhere).values
    for common, reals in REALS.items():
        logits = logits_of(rng, hardness_of(rng, n, 3, common), signal, common)
        sharing = sharing_of(rng, n, 3, number) if common else [None] * 3
        sets = [
            measure_validated(
                validation,
                choice,
                f"set {i}",
                labels,
                one,
                RESAMPLES,
                partial(generator, number, f"set {i}"),
                shared,
            )
            for i, (one, shared) in enumerate(zip(logits, sharing, strict=True))
        ]
        for name, metric in validation.metrics.items():
            if (value := true[name]) is None:
                continue
            if name in sets[0].estimates:
                yield Outcome(
                    INTERVAL,
                    name,
                    f"chosen elsewhere, {ONE}, {reals}",
                    _holds(sets[0].estimates[name], value),
                )
            if mean := _mean(name, way_of(metric), sets):
                yield Outcome(
                    INTERVAL, name, f"chosen elsewhere, mean of 3 sets, {reals}", _holds(mean, value)
                )


def _suite(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """The same pictures under 3 conditions, each harder than the last; 3 sets with common real pictures."""
    metrics = metrics_with_interval()
    hardness, sharing = hardness_of(rng, n, 3, True), sharing_of(rng, n, 3, number)
    strengths = (signal, 0.8 * signal, 0.6 * signal)
    conditions = [
        measured(metrics, logits_of(rng, hardness, one, True), number, sharing) for one in strengths
    ]
    for name, metric in metrics.items():
        means = [_mean(name, way_of(metric), sets) for sets in conditions]
        known = [one for one in means if one]
        if len(known) == len(means):
            drawn = [np.mean([one.replicates[name] for one in sets], axis=0) for sets in conditions]
            found = suite_mean(known, drawn, np.full(3, 1 / 3))
            value = np.mean([truth(one)[name] for one in strengths])
            yield Outcome(
                INTERVAL,
                name,
                "suite of 3 conditions, 3 sets, common real pictures",
                _holds(found, float(value)),
            )


SPREAD = 0.2
"""Standard deviation of the signal over seeds."""


@cache
def truth_over_seeds(signal: float) -> Mapping[str, float]:
    """Every metric on endlessly many pictures, on average over endlessly many seeds."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    found = [truth(signal + SPREAD * float(node)) for node in nodes]
    share = weights / weights.sum()
    return {name: float(sum(w * one[name] for w, one in zip(share, found, strict=True))) for name in found[0]}


def _seeds(rng: np.random.Generator, n: int, signal: float, number: int, most: int = 3) -> Iterator[Outcome]:
    """Two detectors that are as good, each trained by 2 or 3 seeds."""
    metrics, true = metrics_with_interval(), truth_over_seeds(signal)
    hardness = hardness_of(rng, n, 1, False)
    found = [
        [
            measured(metrics, logits_of(rng, hardness, signal + SPREAD * rng.normal()), number)[0]
            for _ in range(most)
        ]
        for _ in range(2)
    ]
    for name, metric in metrics.items():
        if not all(name in one.estimates for members in found for one in members) or not can_be_tested(
            way_of(metric), n
        ):
            continue
        for seeds in (2, most):
            values = [np.array([one.values[name] for one in members[:seeds]], float) for members in found]
            drawn = [np.stack([one.replicates[name] for one in members[:seeds]]) for members in found]
            own = [
                Limits(value, one.estimates[name].low, one.estimates[name].high)
                for value, one in zip(values[0], found[0], strict=False)
            ]
            mean = interval_over_seeds(own, drawn[0])
            yield Outcome(INTERVAL, name, f"mean over {seeds} seeds, {ONE}", _holds(mean, true[name]))
            difference = difference_over_seeds(values[0], values[1], np.concatenate(drawn))
            low, high = difference.interval()
            if difference_has_interval(way_of(metric), n):
                yield Outcome(INTERVAL, name, f"difference over {seeds} seeds, {ONE}", low <= 0 <= high)
            yield Outcome(TEST, f"{SEEDS}: {name}", f"{PAIRS}, {seeds} seeds, {ONE}", difference.p < ALPHA)


def _ranks(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """AUROC of detectors that are as good on independent sets."""
    labels = labels_of(n)
    for detectors in (3, 8):
        for sets in (3, 7, 20):
            hardness = hardness_of(rng, n, sets, False)
            logits = np.stack([logits_of(rng, hardness, signal) for _ in range(detectors)], axis=1)
            found = summarise(np.stack([delong(labels, one.astype(float))[0] for one in logits]), True)
            hit = found.p is not None and found.p < ALPHA
            yield Outcome(TEST, FRIEDMAN, f"{detectors} detectors, {sets} sets", hit)


def _slices(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """Errors on n pictures inside and n outside of 8 slices, half of each in a set where errors are half as frequent."""
    true = 1 - truth(signal)["acc"]
    sets = np.tile([0, 1], n)
    inside = np.repeat([True, False], n)
    p = []
    for _ in range(8):
        wrong = rng.random(2 * n) < true * (1 - sets / 2)
        p.append(within_sets(wrong, inside, sets)[1])
    alone = int((rng.random(n) < true).sum())
    yield Outcome(INTERVAL, "error rate", "one slice", _holds(error_rate(alone, n), true))
    tested = np.array([np.nan if one is None else one for one in p])
    yield Outcome(TEST, SLICES, "one slice, 2 sets", bool(tested[0] < ALPHA))
    yield Outcome(TEST, SLICES, "any of 8 slices, after Holm, 2 sets", bool((holm(tested) < ALPHA).any()))


def _files(rng: np.random.Generator, n: int, signal: float, number: int) -> Iterator[Outcome]:
    """Five cues that say nothing; a real picture among n others."""
    designs = {
        f"cue {cue}": (rng.integers(0, 2, (2 * n, 4)).astype(np.float32), np.arange(2 * n))
        for cue in range(5)
    }
    found = separate(designs, labels_of(n), 199, number)
    yield Outcome(TEST, AUDIT, "any of 5 cues, one set", any(one.p_value < LEVEL for one in found.values()))
    new, real = rng.normal(size=1), rng.normal(size=n)
    yield Outcome(TEST, ATTRIBUTION, "one real picture, one white box", bool(p_values(new, real)[0] <= ALPHA))


SCENARIOS = {
    one.name: one
    for one in (
        Scenario(
            "own",
            f"One detector on {SETS} sets alike. *Later − known* is the change of means that `timeline` shows, of 4 sets less 3.",
            partial(_sets, common=False),
        ),
        Scenario(
            "common",
            f"The same with {SETS} sets that have the same real pictures, and a second detector that is as good.",
            partial(_sets, common=True),
        ),
        Scenario(
            "detectors",
            "One set; a detector less one whose classes are only 0.8 times as far apart.",
            _detectors,
        ),
        Scenario(
            "operating",
            f"Threshold, {FPR:g} false positives and logistic calibration chosen on one more set of the same size. The true value is "
            "that of this very choice.",
            _operating,
        ),
        Scenario(
            "suite",
            "Each condition is harder than the one before; equal weights.",
            _suite,
            signals=(1.0, 3.0),
        ),
        Scenario(
            "seeds",
            f"Trainings whose classes are normally distributed distances apart, with standard deviation {SPREAD:g}. The true value is "
            "the mean over endlessly many seeds.",
            _seeds,
            signals=(1.0, 3.0),
        ),
        Scenario("ranks", "", _ranks, sizes=(100,), signals=(1.0,)),
        Scenario("slices", "Error rates of `failures`.", _slices),
        Scenario("files", "", _files, signals=(0.0,)),
    )
}
