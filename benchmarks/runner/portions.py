"""Portions of a run: successive batches of a job that one process scores, writes and answers for as a whole.

Which of them are done is kept nowhere: their rows are in the score files, or they are not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.runner.claims import claim_size
from benchmarks.runner.loop import pictures_of_batch
from benchmarks.runner.pending import Job
from registry import Picture, TestSet

TRIES = 4
"""How often a portion is begun before it is given up."""

_SHORTEST = 3.0
"""Seconds that a portion takes at least, if it may: each begins with new decoding processes."""


@dataclass(frozen=True)
class Portion:
    """Some pictures of a job. Test sets stand in it by name: what reads their pictures may be large, and is sent once.

    name: the same whenever the same work is done again. copies: path of a picture → where else it stands.
    """

    name: str
    test_set: str
    pictures: tuple[Picture, ...]
    detectors: tuple[str, ...]
    perturbations: tuple[str, ...]
    copies: Mapping[str, Sequence[tuple[str, Picture]]]
    batches: int

    def job(self, test_sets: Mapping[str, TestSet], detectors: Collection[str]) -> Job:
        """What it is where the sets are known; of its detectors, those that are there."""
        return Job(
            test_sets[self.test_set],
            self.pictures,
            tuple(name for name in self.detectors if name in detectors),
            self.perturbations,
            {path: [(test_sets[name], one) for name, one in found] for path, found in self.copies.items()},
        )


def portion_of(job: Job, first: int, batches: int, batch_size: int) -> Portion:
    """Successive batches of a job, as they are where one process scores it.

    first: number of the first one, from 0. batch_size: pictures of a batch.
    """
    pictures = job.pictures[first * batch_size : (first + batches) * batch_size]
    return Portion(
        replace(job, pictures=pictures).name,
        job.test_set.name,
        pictures,
        job.detectors,
        job.perturbations,
        {
            one.path: [(test_set.name, copy) for test_set, copy in job.copies[one.path]]
            for one in pictures
            if one.path in job.copies
        },
        batches,
    )


class Portions:
    """The work of a run, cut into portions as processes ask for them, and taken back where one fails.

    A portion takes about `flush_seconds`, which is what a kill loses, and less towards the end of a test set.

    batch_size: samples of a batch, as settings have it. unfinished: pictures that are not done, by test set.
    """

    def __init__(self, jobs: Sequence[Job], batch_size: int, flush_seconds: float) -> None:
        self._jobs = list(jobs)
        self._batch_size = batch_size
        self._flush_seconds = flush_seconds
        self._first = 0
        self._per_batch: float | None = None
        self._again: list[Portion] = []
        self._failed_on: dict[str, list[str]] = defaultdict(list)
        self._reasons: dict[str, str] = {}
        self.unfinished = Counter[str]()
        for job in jobs:
            self.unfinished[job.test_set.name] += len(job.pictures)

    @property
    def waiting(self) -> int:
        """How many batches nobody has taken."""
        return sum(map(self._batches, self._jobs)) - self._first + sum(one.batches for one in self._again)

    def take(self, node: str, nodes: Collection[str], processes: int) -> Portion | None:
        """The next portion for a process on `node`; none where all that waits failed there and another node can have it.

        nodes: where processes are. processes: how many.
        """
        for number, portion in enumerate(self._again):
            failed_on = self._failed_on[portion.name]
            if node not in failed_on or not {*nodes} - {*failed_on}:
                return self._again.pop(number)
        if not self._jobs:
            return None
        job = self._jobs[0]
        left = self._batches(job) - self._first
        size = min(
            left, max(claim_size(left, processes), self._in(_SHORTEST)), max(1, self._in(self._flush_seconds))
        )
        portion = portion_of(job, self._first, size, self._pictures(job))
        self._first += size
        if size == left:
            del self._jobs[0]
            self._first = 0
        return portion

    def done(self, portion: Portion, seconds: float) -> None:
        """All rows of a portion are written; it took so long."""
        self._per_batch = max(seconds, 1e-6) / portion.batches
        self.unfinished[portion.test_set] -= len(portion.pictures)

    def failed(self, portion: Portion, node: str, reason: str) -> None:
        """A process could not finish a portion: another one tries, or it is given up."""
        failed_on = self._failed_on[portion.name]
        failed_on.append(node)
        if len(failed_on) < TRIES:
            self._again.append(portion)
        else:
            self._reasons[portion.test_set] = f"{TRIES} actors failed on them, the last: {reason}"

    def give_up(self, reason: str) -> None:
        """Leave undone all that nobody has taken."""
        self._jobs, self._again, self._first = [], [], 0
        self._reasons = dict.fromkeys(self.unfinished, reason) | self._reasons

    def not_scored(self) -> list[str]:
        """What was given up, a line per test set."""
        return [
            f"{name}: {count:,} pictures were not scored: {self._reasons.get(name, 'not done')}"
            for name, count in self.unfinished.items()
            if count
        ]

    def _in(self, seconds: float) -> int:
        """How many batches take so long; none is known to before one was scored."""
        return 0 if self._per_batch is None else int(seconds / self._per_batch)

    def _pictures(self, job: Job) -> int:
        return pictures_of_batch(self._batch_size, job.perturbations)

    def _batches(self, job: Job) -> int:
        return -(-len(job.pictures) // self._pictures(job))
