"""One evaluation run from settings to the run folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.config import AUTO, PROBE, RAY, RunSettings
from benchmarks.datasets import fingerprint
from benchmarks.ranks import Processes, joined
from benchmarks.runfolder.owner import Ownership, Shard, one_at_a_time, owned_by_all
from benchmarks.runfolder.picture_digests import write_picture_digests
from benchmarks.runfolder.provenance import device_name, new_record
from benchmarks.runfolder.record import RECORD_FILE, EncoderPasses, find_record, read_record, write_record
from benchmarks.runfolder.resume import merged_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import Cell, cells, compact_cell, read_cell
from benchmarks.runner.cost_probe import measure_costs
from benchmarks.runner.micro_batches import choose_micro_batches
from benchmarks.runner.plan import Plan, make_plan
from benchmarks.runner.score import score_pending
from benchmarks.text import plain
from registry import UserError
from registry.encoder import Passes

if TYPE_CHECKING:
    from benchmarks.runfolder.metrics_file import MetricsFile

# What computes metrics brings scipy.stats and scikit-learn, a second of every start: it is imported when scores are there.


def run_benchmark(settings: RunSettings, command: Sequence[str], console: Console) -> MetricsFile | None:
    """Score what is still to be scored, then compute metrics from all score files of the folder.

    Returns:
        The content of metrics.json; None on every rank but the first, and where other shards are not done.

    Raises:
        UserError: the request is wrong; nothing was scored then.
    """
    with _joined(settings) as processes, _own(settings, processes) as owner:
        plan = make_plan(settings, processes)
        for name, record in plan.session.records.items() if processes.first else ():
            if reason := record.get("precision"):
                console.print(plain(f"{name}: {reason}"), markup=False, soft_wrap=True)
        if processes.first and plan.session.settings.compile:
            said = ", ".join(plan.session.encoders.compiled) or "none of these encoders, on this device"
            console.print(plain(f"through torch.compile: {said}"), markup=False, soft_wrap=True)
        _agree_on_compiled(plan)
        processes.agree(_record_problem(plan, command) if processes.first else None)
        # what the first one chose, which may be by a measurement
        for variant, pictures in processes.gather(plan.session.encoders.micro_batches)[0].items():
            plan.session.encoders.run_at_once(variant, pictures)
        failed, passes = _scored(plan, console)
        if not processes.first:
            return None
        with one_at_a_time(settings.out / RECORD_FILE):
            _note(plan, failed, passes, console)
        with owner.leaving() as last:
            if reason := _not_yet(plan, failed, last):
                console.print(plain(reason), markup=False, soft_wrap=True)
                return None
            return _finish(plan)


def _joined(settings: RunSettings) -> contextlib.AbstractContextManager[Processes]:
    """The processes of this run; of one by Ray, the driver, which loads all networks on a CPU to check and record them."""
    if settings.launcher != RAY:
        return joined(settings.launcher, settings.device)
    if settings.shard:
        raise UserError(
            "--shard is for batch queues, --launcher ray shares out by itself: leave one of them out"
        )
    if settings.cost:
        raise UserError(
            "--cost measures in one process: leave it out with --launcher ray, and measure in a run of its own"
        )
    if settings.micro_batch == PROBE:
        raise UserError(
            "--micro-batch probe measures in one process: name a number or leave it out with --launcher ray"
        )
    if settings.precision == AUTO:
        raise UserError(
            "--precision auto looks at the device of this process: name a precision with --launcher ray"
        )
    return joined("none", "cpu")


def _scored(plan: Plan, console: Console) -> tuple[dict[str, str], Sequence[Mapping[str, Passes]]]:
    """Score what is pending; why detectors failed, and the passes of encoders by process."""
    if plan.settings.launcher == RAY:
        from benchmarks.runner.ray_pool import score_by_ray

        outcome = score_by_ray(plan, console)
        return {**outcome.failed, **plan.session.failed}, outcome.passes
    stopped = score_pending(plan, console)
    failed: dict[str, str] = {}
    for of_rank in plan.processes.gather({**plan.session.failed, **stopped}):
        failed = {**of_rank, **failed}
    return failed, plan.processes.gather(plan.session.encoders.passes)


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
                None if settings.launcher == RAY else plan.session.device,
                # actors say it themselves
                micro_batches={} if settings.launcher == RAY else plan.session.encoders.micro_batches,
                compiled=[] if settings.launcher == RAY else plan.session.encoders.compiled,
                dtype=plan.session.encoders.precision,
                **_named(plan),
            )
            write_record(settings.out, merged_record(old, record, settings.out))
            write_picture_digests(settings.out, fingerprints)
    except UserError as error:
        return str(error)
    return None


def _agree_on_compiled(plan: Plan) -> None:
    """Refuse processes that run other encoders through torch.compile than the first, such as one that was started otherwise."""
    first, *others = plan.processes.gather(plan.session.encoders.compiled)
    for rank, compiled in enumerate(others, 1):
        if compiled != first:
            raise UserError(
                f"process {rank} compiles {', '.join(compiled) or 'nothing'}, the first one {', '.join(first) or 'nothing'}: "
                "start all with the same --compile"
            )


def _add_costs(plan: Plan) -> None:
    """Measure the detectors and put what they cost into their records."""
    session, settings = plan.session, plan.settings
    where = {
        "device": session.device,
        "device_name": device_name(session.device),
        "dtype": session.encoders.precision,
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
