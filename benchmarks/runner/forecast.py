"""What a run would fetch and score, and about how long it would take, without scoring anything that counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from benchmarks.config import RunSettings
from benchmarks.datasets import requested_test_sets
from benchmarks.datasets.prepared import PreparedSet
from benchmarks.datasets.published import PublishedSet, published_sets
from benchmarks.datasets.resolve import is_wanted
from benchmarks.download import size_of
from benchmarks.loading import Session, load_catalogs, open_session
from benchmarks.loading.feeds import add_feeds, parse_feeds
from benchmarks.loading.locate import remote_of
from benchmarks.loading.memory import GivenPictures
from benchmarks.loading.needs import Need, weights_needed
from benchmarks.loading.samples import Prepared, PreparedPictures
from benchmarks.loading.scoring import score_prepared
from benchmarks.perturbations import Perturbation
from benchmarks.ranks import decoding_processes
from benchmarks.runner.conditions_asked import conditions_asked
from benchmarks.runner.pending import Job, pending_jobs
from registry import Catalogs, TestSet

SECONDS = 10.0
"""How long the rate is measured, about."""
_MADE = 512
"""Sides in pixels of the pictures that are made where none are here yet."""


@dataclass(frozen=True)
class Fetched:
    """Something to fetch. size: bytes, None if it cannot be known now. command: what fetches it, or says how."""

    what: str
    size: int | None
    command: str


@dataclass(frozen=True)
class AbsentSet:
    """A test set that is not here yet. pictures: how many it has as published, None if that is not stated."""

    name: str
    pictures: int | None


@dataclass(frozen=True)
class Rate:
    """A measured speed. seconds: of one picture under all conditions. on: what it was measured with."""

    seconds: float
    on: str


@dataclass
class Forecast:
    """What a run would do.

    here: what is there already, in words. jobs: what of the test sets that are here is still to be scored. total,
    done: rows of the test sets that are here, and those of them that have a score. passes: by encoder, at most, over the
    jobs and the absent sets whose size is known. unmeasured: why there is no rate, empty where there is one.
    """

    fetch: list[Fetched] = field(default_factory=list)
    here: list[str] = field(default_factory=list)
    conditions: int = 0
    detectors: int = 0
    jobs: list[Job] = field(default_factory=list)
    absent: list[AbsentSet] = field(default_factory=list)
    total: int = 0
    done: int = 0
    passes: Counter[str] = field(default_factory=Counter)
    rate: Rate | None = None
    unmeasured: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def pictures(self) -> int:
        """Pictures that are here and lack a score, and those of absent sets as far as known."""
        left = {(job.test_set.name, picture.path) for job in self.jobs for picture in job.pictures}
        return len(left) + sum(one.pictures or 0 for one in self.absent)

    @property
    def seconds(self) -> float | None:
        """About how long the scoring takes: pictures that lack only some conditions count for as many."""
        if self.rate is None:
            return None
        here = sum(len(job.pictures) * len(job.perturbations) for job in self.jobs) / max(1, self.conditions)
        return self.rate.seconds * (here + sum(one.pictures or 0 for one in self.absent))


def forecast(settings: RunSettings, seconds: float) -> Forecast:
    """Look at what a run needs and measure its speed for about `seconds`; weights that are not here are drawn.

    Raises:
        UserError: the request is wrong, as a run would find it.
    """
    catalogs = load_catalogs(settings.plugins)
    perturbations = list(conditions_asked(settings, catalogs).perturbations.values())
    parse_feeds(settings.feeds)
    found = Forecast(conditions=len(perturbations))
    absent = [one for name, one in published_sets().items() if name in settings.data and not _is_here(name)]
    here = [spec for spec in settings.data if spec not in {one.name for one in absent}]
    test_sets = _test_sets(settings, catalogs, here) if here else []
    for one in absent:
        found.fetch.append(_fetched(one))
        found.absent += _absent_sets(one, settings)
    found.here += [f"{one.name}: {len(one.pictures):,} pictures" for one in test_sets]
    for need in weights_needed(settings, catalogs):
        found.fetch += _weights_to_fetch(need)
        found.here += [f"weights of {need.name}: {need.path}"] if need.path else []
    # compiling would take longer than the forecast
    session = open_session(
        settings.model_copy(update={"allow_untrained": True, "features": None, "compile": False}),
        catalogs=catalogs,
    )
    add_feeds(session, settings.feeds)
    found.failed = session.failed
    detectors = list(session.detectors)
    found.detectors = len(detectors)
    found.jobs = pending_jobs(settings.out, test_sets, detectors, [one.name for one in perturbations])
    found.total = sum(len(one.pictures) for one in test_sets) * len(detectors) * len(perturbations)
    found.done = found.total - sum(
        len(job.pictures) * len(job.detectors) * len(job.perturbations) for job in found.jobs
    )
    _count_passes(found, session)
    if not detectors:
        found.unmeasured = "no detector can be built"
    elif not found.pictures:
        found.unmeasured = "nothing is left to be scored"
    else:
        found.rate = _measure(settings, session, perturbations, found.jobs, seconds)
    return found


def _is_here(name: str) -> bool:
    return PreparedSet(name).index.is_file()


def _test_sets(settings: RunSettings, catalogs: Catalogs, here: Sequence[str]) -> list[TestSet]:
    """The test sets of the data that is here; generators may be those of other data, which is not."""
    update: dict[str, object] = {"data": list(here)}
    if len(here) < len(settings.data):
        update["generators"] = []
    found = requested_test_sets(settings.model_copy(update=update), catalogs)
    return [one for one in found if is_wanted(one.generator, settings.generators)]


def _fetched(one: PublishedSet) -> Fetched:
    if one.fetchable:
        return Fetched(one.name, one.size, f"d3qe-bench data get {one.name}")
    return Fetched(
        one.name, one.size, f"by hand at {one.page}, then d3qe-bench data prepare {one.name} FOLDER"
    )


def _absent_sets(one: PublishedSet, settings: RunSettings) -> Iterator[AbsentSet]:
    """The test sets of a data set as published; one of unknown size where it does not say."""
    wanted = [name for name in one.expected if is_wanted(name, settings.generators)]
    for name in wanted:
        classes = [one.expected[name].real, one.expected[name].fake]
        limited = [
            min(count, settings.limit or count) if count is not None else settings.limit for count in classes
        ]
        known = [count for count in limited if count is not None]
        yield AbsentSet(name, sum(known) if len(known) == len(classes) else None)
    if not wanted:
        yield AbsentSet(one.name, None)


def _weights_to_fetch(need: Need) -> Iterator[Fetched]:
    if need.path:
        return
    if not need.published:
        yield Fetched(f"weights of {need.name}", None, f"none published: --weights {need.name}=PATH")
    for one in need.missing:
        what = f"weights of {need.name}, {one.file.rsplit('/', 1)[-1]}"
        yield Fetched(what, size_of(remote_of(one)), f"d3qe-bench weights get {need.name}")


def _count_passes(found: Forecast, session: Session) -> None:
    """One pass is one picture under one condition through one encoder on one view; a run saves those of equal views."""
    pipeline = session.pipeline
    absent = sum(one.pictures or 0 for one in found.absent) * found.conditions
    shares = [(len(job.pictures) * len(job.perturbations), job.detectors) for job in found.jobs]
    for samples, names in [*shares, (absent, tuple(session.detectors))]:
        groups = set(pipeline.reads(names))
        groups |= {
            (read, view) for spec, view in groups for read in session.encoders.get(spec).reads.values()
        }
        for encoder, _ in groups:
            found.passes[encoder.variant] += samples


def _measure(
    settings: RunSettings,
    session: Session,
    perturbations: Sequence[Perturbation],
    jobs: Sequence[Job],
    seconds: float,
) -> Rate:
    """Time ever larger batches until the time is up; the largest size tells, all detectors under all conditions."""
    workers = decoding_processes(settings.workers, session.device)
    prepared, of = _pictures(settings, session, perturbations, jobs)
    most = max(1, settings.batch_size // len(perturbations))
    began, size, taken = time.perf_counter(), 1, 0
    timed: dict[int, list[tuple[float, float]]] = {}
    while True:
        start = time.perf_counter()
        batch = [prepared(taken + number) for number in range(size)]
        decoded = time.perf_counter()
        score_prepared(session.pipeline, batch, list(session.detectors))
        ended = time.perf_counter()
        timed.setdefault(size, []).append((decoded - start, ended - decoded))
        taken += size
        size = min(2 * size, most)
        expected = (ended - start) * size / len(batch)
        if ended - began + expected > seconds and ended - began > 0:
            break
    largest = max(timed)
    # the first batch of all warms up caches and kernels
    kept = timed[largest][1:] if largest == 1 and len(timed[1]) > 1 else timed[largest]
    decoding = sum(one for one, _ in kept) / (largest * len(kept))
    scoring = sum(one for _, one in kept) / (largest * len(kept))
    each = max(decoding / workers, scoring) if workers else decoding + scoring
    spent = time.perf_counter() - began
    return Rate(each, f"{session.device}, {taken} {of} in {spent:.0f} s, batches of up to {largest}")


def _pictures(
    settings: RunSettings, session: Session, perturbations: Sequence[Perturbation], jobs: Sequence[Job]
) -> tuple[Callable[[int], Prepared], str]:
    """Picture number N as a run prepares it, round and round, and what pictures these are."""
    views = session.pipeline.views()
    if jobs:
        sets = [
            PreparedPictures(
                job.test_set,
                job.pictures,
                perturbations,
                views,
                seed=settings.seed,
                max_pixels=settings.max_pixels,
            )
            for job in jobs
        ]

        def of_the_run(number: int) -> Prepared:
            chosen = sets[number % len(sets)]
            return chosen[number // len(sets) % len(chosen)]

        return of_the_run, "of its pictures"
    made = _made_pictures(settings.seed)
    given = GivenPictures(
        made, None, perturbations, views, seed=settings.seed, max_pixels=settings.max_pixels
    )
    return lambda number: given[number % len(made)], f"made pictures of {_MADE}×{_MADE} px"


def _made_pictures(seed: int, count: int = 4) -> list[Image.Image]:
    """Pictures between a plain colour and noise: smooth, with a little grain, so that codecs have some work."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((_MADE, _MADE), Image.Resampling.BICUBIC), dtype=np.int16)
        grain = rng.integers(-8, 9, smooth.shape)
        found.append(Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)))
    return found
