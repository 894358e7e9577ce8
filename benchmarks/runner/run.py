"""One evaluation run from settings to the run folder."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.runner import Runner
from rich.console import Console

from benchmarks.config import PROBE, RunSettings
from benchmarks.datasets import fingerprint, requested_test_sets
from benchmarks.loading import Locator, Session, load_catalogs, open_session
from benchmarks.loading.feeds import add_feeds, parse_feeds
from benchmarks.loading.samples import PreparedPictures
from benchmarks.perturbations import Perturbation
from benchmarks.ranks import NO_DEFAULT_HOOKS, Processes, decoding_processes, joined
from benchmarks.runfolder.owner import Ownership, Shard, one_at_a_time, owned_by_all
from benchmarks.runfolder.picture_digests import write_picture_digests
from benchmarks.runfolder.provenance import device_name, new_record
from benchmarks.runfolder.record import RECORD_FILE, EncoderPasses, find_record, read_record, write_record
from benchmarks.runfolder.resume import merged_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import Cell, cells, compact_cell, read_cell
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.runner.claims import Claims, shared_claims
from benchmarks.runner.conditions_asked import conditions_asked
from benchmarks.runner.cost_probe import measure_costs
from benchmarks.runner.loop import EvaluationLoop, ScoringRunner, pictures_of_batch
from benchmarks.runner.micro_batches import choose_micro_batches
from benchmarks.runner.model import ScoringModel
from benchmarks.runner.pending import Job, pending_jobs, same_pictures
from benchmarks.runner.run_progress import RunProgress
from benchmarks.text import plain
from registry import TestSet, UserError
from registry.dataset import REAL
from registry.encoder import Passes

if TYPE_CHECKING:
    from benchmarks.runfolder.metrics_file import MetricsFile

# What computes metrics brings scipy.stats and scikit-learn, a second of every start: it is imported when scores are there.


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, checked, before the first picture is opened. suites: name → condition → weight."""

    settings: RunSettings
    test_sets: Sequence[TestSet]
    perturbations: Mapping[str, Perturbation]
    session: Session
    processes: Processes
    suites: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def run_benchmark(settings: RunSettings, command: Sequence[str], console: Console) -> MetricsFile | None:
    """Score what is still to be scored, then compute metrics from all score files of the folder.

    Returns:
        The content of metrics.json; None on every rank but the first, and where other shards are not done.

    Raises:
        UserError: the request is wrong; nothing was scored then.
    """
    with joined(settings.launcher, settings.device) as processes, _own(settings, processes) as owner:
        plan = make_plan(settings, processes)
        processes.agree(_record_problem(plan, command) if processes.first else None)
        # what the first one chose, which may be by a measurement
        for variant, pictures in processes.gather(plan.session.encoders.micro_batches)[0].items():
            plan.session.encoders.run_at_once(variant, pictures)
        stopped = score_pending(plan, console)
        failed: dict[str, str] = {}
        for of_rank in processes.gather({**plan.session.failed, **stopped}):
            failed = {**of_rank, **failed}
        passes = processes.gather(plan.session.encoders.passes)
        if not processes.first:
            return None
        with one_at_a_time(settings.out / RECORD_FILE):
            _note(plan, failed, passes, console)
        with owner.leaving() as last:
            if reason := _not_yet(plan, failed, last):
                console.print(plain(reason), markup=False, soft_wrap=True)
                return None
            return _finish(plan)


def make_plan(settings: RunSettings, processes: Processes) -> Plan:
    """Resolve every name and load every weight, the quick checks first."""
    catalogs = load_catalogs(settings.plugins, quiet=not processes.first)
    asked = conditions_asked(settings, catalogs)
    parse_feeds(settings.feeds)
    for figures in settings.reported:
        catalogs.metrics.entry(figures.metric)
    Locator(
        catalogs, settings.weights, settings.labels
    )  # a wrong name shows before the pictures are looked for
    test_sets = requested_test_sets(settings, catalogs)
    if settings.calibrate_on and not settings.clean:
        raise UserError("--calibrate-on chooses thresholds on clean pictures: leave out --no-clean")
    if settings.calibrate_on is not None or settings.fpr is not None:
        from benchmarks.runfolder.evaluate import asked_validation

        asked_validation(
            settings.calibrate_on, settings.fpr, {one.name: one.count(REAL) for one in test_sets}
        )
    session = open_session(settings, catalogs=catalogs)
    add_feeds(session, settings.feeds)
    return Plan(settings, test_sets, asked.perturbations, session, processes, asked.suites)


@contextmanager
def _own(settings: RunSettings, processes: Processes) -> Iterator[Ownership]:
    """The run folder, which can be written to, for this run alone or for its shards."""
    out = settings.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # nothing is wrong with the request
        raise UserError(f"cannot write to the run folder {out}: {error.strerror}") from error
    with owned_by_all(out, processes, _shard(settings)) as owner:
        yield owner


_OF_A_SHARD = {"shard", "device", "workers", "launcher", "flush_seconds", "features", "features_size"}
"""Settings in which the shards of one request may differ."""


def _shard(settings: RunSettings) -> Shard | None:
    if not settings.shard:
        return None
    request = settings.model_dump_json(exclude=_OF_A_SHARD)
    return Shard(*settings.part, hashlib.sha256(request.encode()).hexdigest())


def _record_problem(plan: Plan, command: Sequence[str]) -> str | None:
    """Write run.json; the reason if the folder's rows do not fit this plan."""
    settings = plan.settings
    fingerprints = [(test_set, fingerprint(test_set, settings.fingerprint)) for test_set in plan.test_sets]
    try:
        with one_at_a_time(settings.out / RECORD_FILE):
            old = find_record(settings.out)
            if settings.micro_batch == PROBE:
                choose_micro_batches(plan.session, plan.test_sets, old)
            if settings.cost:
                _add_costs(plan)
            record = new_record(
                settings,
                command,
                plan.session.catalogs,
                plan.session.records,
                fingerprints,
                list(plan.perturbations),
                plan.session.device,
                micro_batches=plan.session.encoders.micro_batches,
                **_named(plan),
            )
            write_record(settings.out, merged_record(old, record, settings.out))
            write_picture_digests(settings.out, fingerprints)
    except UserError as error:
        return str(error)
    return None


def _add_costs(plan: Plan) -> None:
    """Measure the detectors and put what they cost into their records."""
    session, settings = plan.session, plan.settings
    where = {
        "device": session.device,
        "device_name": device_name(session.device),
        "dtype": settings.precision,
    }
    # what is in a store costs nothing
    session.encoders.store, store = None, session.encoders.store
    costs = measure_costs(session, plan.test_sets, settings.batch_size, settings.max_pixels)
    session.encoders.store = store
    for name, cost in costs.items():
        session.records[name]["cost"] = where | cost


def _named(plan: Plan) -> dict[str, Any]:
    """What the named conditions of a run stand for, and its suites; nothing where it has none."""
    chains = {one.name: one.steps for one in plan.perturbations.values() if one.steps}
    return {**({"chains": chains} if chains else {}), **({"suites": plan.suites} if plan.suites else {})}


def score_pending(plan: Plan, console: Console) -> dict[str, str]:
    """Run the loop over what this process takes of the shard; why detectors were stopped, by name."""
    detectors = list(plan.session.detectors)
    model = ScoringModel(plan.session.pipeline)
    here = plan.processes
    # of a view that is made of a picture's path, copies are not copies
    alike = not any(view.reads_path for view in plan.session.pipeline.views())
    repeats = same_pictures(plan.settings.out, plan.test_sets) if alike else {}
    number, count = plan.settings.part
    jobs = pending_jobs(
        plan.settings.out,
        plan.test_sets,
        detectors,
        list(plan.perturbations),
        repeats,
        part=number - 1,
        parts=count,
        block=pictures_of_batch(plan.settings.batch_size, list(plan.perturbations)),
    )
    with shared_claims(plan.settings.out, here) as claims:
        if jobs:
            try:
                _run_loop(plan, model, jobs, claims, console if here.first else Console(quiet=True))
            finally:
                plan.session.keep_features()
    return model.stopped


def _run_loop(plan: Plan, model: ScoringModel, jobs: Sequence[Job], claims: Claims, console: Console) -> None:
    settings = plan.settings

    def build_loop(runner: Runner, dataloader: Any, evaluator: Any) -> EvaluationLoop:
        return EvaluationLoop(
            runner,
            jobs,
            plan.perturbations,
            ShardWriter(settings.out, settings.flush_seconds),
            batch_size=settings.batch_size,
            workers=decoding_processes(settings.workers, plan.session.device),
            dataset=partial(PreparedPictures, seed=settings.seed, max_pixels=settings.max_pixels),
            claims=claims,
        )

    progress = RunProgress(jobs, console, claims.processes)
    # the Runner leaves an empty log and a copy of its settings; run.json says more
    with tempfile.TemporaryDirectory() as scratch:
        try:
            ScoringRunner(
                model,
                work_dir=scratch,
                test_dataloader=[],
                test_evaluator=[],
                test_cfg={"type": build_loop},
                default_hooks=NO_DEFAULT_HOOKS,
                custom_hooks=[progress],
                log_level="ERROR",
                experiment_name=f"d3qe-bench-{uuid.uuid4().hex}",
                randomness={"seed": settings.seed},
            ).test()
        finally:
            progress.bar.stop()


def _note(
    plan: Plan, failed: Mapping[str, str], passes: Sequence[Mapping[str, Passes]], console: Console
) -> None:
    """Note in run.json who failed and how often encoders ran on each rank."""
    out = plan.settings.out
    record = read_record(out)
    for name in plan.session.records:
        if name in failed or not plan.settings.shard:  # what another shard noted stands
            record.detectors[name].failed = failed.get(name)
    totals = dict(record.encoders)
    for encoder, counted in (one for of_rank in passes for one in of_rank.items()):
        totals[encoder] = totals.get(encoder, EncoderPasses()) + counted
    record.encoders = totals
    write_record(out, record)
    for encoder, total in totals.items():
        console.print(plain(f"{encoder}: {total.line}"), markup=False, soft_wrap=True)


def _not_yet(plan: Plan, failed: Mapping[str, str], last: bool) -> str:
    """Why a shard does not make the metrics: others are at work, or have not been; empty where it does."""
    settings = plan.settings
    if not settings.shard:
        return ""
    done, later = (
        f"shard {settings.shard} is done",
        "the last shard makes the metrics, or the command without --shard",
    )
    if not last:
        return f"{done}, others are not: {later}"
    missing = sum(
        len(test_set.pictures)
        - len(read_cell(settings.out, Cell(detector, test_set.name, perturbation), ["path"]))
        for detector in plan.session.detectors.keys() - failed.keys()
        for test_set in plan.test_sets
        for perturbation in plan.perturbations
    )
    return f"{done}, {missing:,} rows of others are missing: {later}" if missing else ""


def _finish(plan: Plan) -> MetricsFile:
    """Compact the score files and compute metrics.json."""
    from benchmarks.runfolder.evaluate import evaluate_run

    settings = plan.settings
    for cell in cells(settings.out):
        compact_cell(settings.out, cell)
    metrics = recorded_metrics(read_record(settings.out), settings.plugins)
    return evaluate_run(
        settings.out,
        metrics.catalog,
        bootstrap=settings.bootstrap,
        calibrate_on=settings.calibrate_on,
        fpr=settings.fpr,
        not_computed=metrics.missing,
    )


def command_line() -> list[str]:
    """The command as the user typed it, for run.json."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
