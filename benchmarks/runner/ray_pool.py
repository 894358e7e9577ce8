"""A run by Ray: the driver cuts what is left into portions, and a pool of actors scores them.

Actors alone, not Ray Data: its pool neither bounds the tries of a block nor names what failed, and its checkpoints come later than
our score files and list every finished row in memory. So the extra needs nothing but `ray`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.progress import ProgressBar
from benchmarks.runfolder.owner import OWNER, one_at_a_time
from benchmarks.runfolder.provenance import versions
from benchmarks.runfolder.record import RECORD_FILE, make_record, read_record, write_record
from benchmarks.runfolder.resume import changed_detector, with_device
from benchmarks.runner.plan import Plan
from benchmarks.runner.portions import TRIES, Portion, Portions
from benchmarks.runner.ray_actor import Counts, Errand, Opened, RayScorer, readable
from benchmarks.runner.ray_cluster import Cluster, connected
from benchmarks.runner.run_progress import speed_line
from benchmarks.runner.score import jobs_of
from benchmarks.text import plain
from registry import TestSet, UserError
from registry.encoder import Passes
from registry.files import remove_drafts
from registry.plugins import one_line

_PATIENCE = 60.0
"""Seconds without any actor after which it is said that one is waited for."""

_FEW = 8
"""Pictures of a test set of which one that can be read is looked for."""


@dataclass(frozen=True)
class Outcome:
    """What a pool did. failed: detector → why it could not be built or was stopped. passes: of encoders, by actor."""

    failed: Mapping[str, str] = field(default_factory=dict)
    passes: Sequence[Mapping[str, Passes]] = ()


def score_by_ray(plan: Plan, console: Console) -> Outcome:
    """Score what is pending by actors. What none of them could score is named, and its rows are missing.

    Raises:
        UserError: as `connected`, or an actor cannot do what was asked.
    """
    jobs = jobs_of(plan)
    if not jobs:
        return Outcome()
    work = Portions(jobs, plan.settings.batch_size, plan.settings.flush_seconds)
    # Ray prints to standard output that an actor died, among our tables
    with contextlib.redirect_stdout(sys.stderr), connected(plan.settings) as cluster:
        pool = _Pool(cluster, plan, work, console)
        try:
            pool.run()
        finally:
            pool.close()
    remove_drafts(plan.settings.out)
    for line in work.not_scored():
        console.print(plain(line), style="yellow", markup=False, soft_wrap=True)
    return Outcome(pool.failed, list(pool.passes.values()))


@dataclass(eq=False)
class _Worker:
    """An actor. opened: what it said when it had loaded, None before. portion: what it scores, since `began`."""

    actor: Any
    opened: Opened | None = None
    portion: Portion | None = None
    began: float = 0.0


def compare(records: Mapping[str, Mapping[str, Any]], opened: Opened) -> None:
    """Refuse an actor that would score with something else than what run.json says.

    records: of the driver's session.
    """
    for name, version in versions().items():
        if name != "platform" and opened.versions.get(name) != version:
            raise UserError(
                f"node {opened.host} has {name} {opened.versions.get(name)}, the command has {version}: install the same on all nodes"
            )
    here, there = (
        make_record({"schema": 1, "detectors": one, "datasets": {}, "perturbations": []}).detectors
        for one in (records, opened.records)
    )
    for detector in sorted(here.keys() & there.keys()):
        for what in changed_detector(here[detector], there[detector]):
            raise UserError(
                f"node {opened.host} has another {what} of {detector}: name files on a disk that all nodes share"
            )


class _Pool:
    """Actors of a run, as many as there is work and room for. One that dies is replaced, and others do what it had."""

    def __init__(self, cluster: Cluster, plan: Plan, work: Portions, console: Console) -> None:
        self.cluster = cluster
        self.ray = cluster.ray
        self.plan = plan
        self.work = work
        self.console = console
        self.progress = _Progress(work, console)
        self.failed: dict[str, str] = {}
        self.passes: dict[_Worker, Mapping[str, Passes]] = {}
        self.workers: list[_Worker] = []
        self.answers: dict[Any, _Worker] = {}
        self.device_names: set[str] = set()
        self.in_a_row = 0
        self.errand = Errand(
            plan.settings.model_copy(update={"device": cluster.device}),
            socket.gethostname(),
            Path.cwd(),
            (plan.settings.out / OWNER).read_bytes(),
            cluster.cpus,
        )
        self.test_sets = self.ray.put({one.name: _sample(one) for one in plan.test_sets})

    def run(self) -> None:
        """Until every portion is done or given up."""
        self.progress.bar.start()
        while self.work.waiting or any(worker.portion for worker in self.workers):
            self._staff()
            self._listen()

    def close(self) -> None:
        """Let all actors go."""
        self.progress.bar.stop()
        for worker in [*self.workers]:
            self._dismiss(worker)

    def _staff(self) -> None:
        """Give every idle actor a portion, and ask for actors while there is more work; who has none goes."""
        limit = self.cluster.limit or self.cluster.room()
        nodes = {worker.opened.host for worker in self.workers if worker.opened}
        for worker in [*self.workers]:
            if worker.opened and not worker.portion:
                if portion := self.work.take(worker.opened.host, nodes, max(limit, len(self.workers))):
                    self.progress.taken(portion)
                    worker.portion, worker.began = portion, time.monotonic()
                    self.answers[worker.actor.score.remote(portion)] = worker
                elif not self.work.waiting:
                    self._dismiss(worker)
        opening = sum(worker.opened is None for worker in self.workers)
        for _ in range(min(limit - len(self.workers), self.work.waiting - opening)):
            worker = _Worker(self.cluster.start(RayScorer))
            self.workers.append(worker)
            self.answers[worker.actor.open.remote(self.errand, [self.test_sets])] = worker

    def _listen(self) -> None:
        """Wait for one answer, and take what it says."""
        while not (ready := self.ray.wait([*self.answers], num_returns=1, timeout=_PATIENCE)[0]):
            if not any(worker.opened for worker in self.workers):
                self.console.print(
                    "no actor of Ray has started yet: `ray status` says what there is room for", markup=False
                )
        worker = self.answers.pop(ready[0])
        try:
            answer = self.ray.get(ready[0])
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            self._lost(worker, one_line(error.cause) if isinstance(error.cause, Exception) else str(error))
            return
        except self.ray.exceptions.RayError as error:
            memory = ", for want of memory" if "OUT_OF_MEMORY" in str(error) else ""
            self._lost(worker, f"its process ended{memory} ({type(error).__name__})")
            return
        if isinstance(answer, Opened):
            self._opened(worker, answer)
        else:
            self._scored(worker, answer)

    def _opened(self, worker: _Worker, opened: Opened) -> None:
        compare(self.plan.session.records, opened)
        worker.opened = opened
        self.failed |= opened.failed
        if opened.device_name not in self.device_names:
            self.device_names.add(opened.device_name)
            out = self.plan.settings.out
            with one_at_a_time(out / RECORD_FILE):
                record = with_device(
                    read_record(out),
                    opened.device,
                    opened.device_name,
                    opened.micro_batches,
                    opened.compiled,
                    out,
                )
                write_record(out, record)

    def _scored(self, worker: _Worker, counts: Counts) -> None:
        assert worker.portion is not None
        self.work.done(worker.portion, time.monotonic() - worker.began)
        self.progress.done(worker.portion)
        worker.portion = None
        self.in_a_row = 0
        self.failed |= counts.stopped
        self.passes[worker] = counts.passes

    def _lost(self, worker: _Worker, reason: str) -> None:
        """An actor failed; its portion goes to another. Where nothing else happens any more, all is given up."""
        self._dismiss(worker)
        if worker.portion:
            self.work.failed(worker.portion, worker.opened.host if worker.opened else "", reason)
        self.in_a_row += 1
        if self.in_a_row >= TRIES + 2 * (self.cluster.limit or self.cluster.room()):
            self.work.give_up(f"{self.in_a_row} actors failed one after the other, the last: {reason}")

    def _dismiss(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.answers = {answer: of for answer, of in self.answers.items() if of is not worker}
        self.ray.kill(worker.actor)


def _sample(test_set: TestSet) -> TestSet:
    """A set with one picture that can be read here, of the first few; with none where none can."""
    seen = next((one for one in test_set.pictures[:_FEW] if readable(test_set, one)), None)
    return replace(test_set, pictures=(seen,) if seen else ())


class _Progress:
    """A bar over all pictures on a terminal; elsewhere one line per test set."""

    def __init__(self, work: Portions, console: Console) -> None:
        self.work = work
        self.console = console
        self.total = dict(work.unfinished)
        self.began: dict[str, float] = {}
        self.bar = ProgressBar("scoring", sum(self.total.values()), console=console)

    def taken(self, portion: Portion) -> None:
        self.began.setdefault(portion.test_set, time.monotonic())
        self.bar.describe(portion.test_set)

    def done(self, portion: Portion) -> None:
        self.bar.advance(len(portion.pictures))
        name = portion.test_set
        if not self.work.unfinished[name] and not self.console.is_terminal:
            line = speed_line(name, self.total[name], time.monotonic() - self.began[name])
            self.console.print(line, markup=False, soft_wrap=True)
