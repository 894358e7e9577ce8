"""One evaluation run from settings to the run folder."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.runner import Runner
from rich.console import Console

from benchmarks.catalogs import report_broken
from benchmarks.config import RunSettings
from benchmarks.datasets import fingerprint, requested_test_sets
from benchmarks.detectors import Loaded, load_detectors
from benchmarks.perturbations import Perturbation, parse_perturbation
from benchmarks.ranks import agree, choose_device, finish_ranks, gather, is_main, start_ranks
from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.metrics_file import MetricsFile
from benchmarks.runfolder.plugins import recorded_metrics
from benchmarks.runfolder.provenance import new_record
from benchmarks.runfolder.record import find_record, read_record, write_record
from benchmarks.runfolder.resume import merged_record
from benchmarks.runfolder.scores import CLEAN, cells, compact_cell
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.runner.loop import EvaluationLoop
from benchmarks.runner.model import ScoringModel
from benchmarks.runner.pending import Job, pending_jobs
from benchmarks.runner.pictures import PreparedPictures
from benchmarks.runner.progress import ProgressHook
from benchmarks.weights import Store
from registry import Catalogs, Pipeline, TestSet, UserError, load_plugins

_UNUSED_HOOKS = dict.fromkeys(
    ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
)


@dataclass(frozen=True)
class Request:
    """Everything a run needs, checked, before the first picture is opened."""

    settings: RunSettings
    catalogs: Catalogs
    test_sets: Sequence[TestSet]
    perturbations: Mapping[str, Perturbation]
    device: str
    loaded: Loaded


def run_benchmark(settings: RunSettings, command: Sequence[str], console: Console) -> MetricsFile | None:
    """Score what is still to be scored, then compute metrics from all score files of the folder.

    Returns:
        The content of metrics.json; None on every rank but the first.

    Raises:
        UserError: the request is wrong; nothing was scored then.
    """
    device = choose_device(settings.device)
    start_ranks(settings.launcher, device)
    try:
        request = check_request(settings, device)
        agree(_record_problem(request, command) if is_main() else None)
        stopped = score_pending(request, console)
        failed = gather({**request.loaded.failed, **stopped})
        return _finish(request, failed) if is_main() else None
    finally:
        finish_ranks()


def check_request(settings: RunSettings, device: str) -> Request:
    """Resolve every name and load every weight, the quick checks first."""
    _check_writable(settings.out)
    catalogs = load_plugins(settings.plugins)
    if is_main():
        report_broken(catalogs)
    names = [*([CLEAN] if settings.clean else []), *settings.perturbations]
    if not names:
        raise UserError("nothing to score: --no-clean without any --perturb")
    parsed = [parse_perturbation(name, catalogs.perturbations) for name in names]
    store = Store(catalogs, settings.weights, settings.labels)
    test_sets = requested_test_sets(settings, catalogs)
    loaded = load_detectors(
        catalogs,
        settings.detectors,
        store,
        protocol=settings.protocol,
        allow_untrained=settings.allow_untrained,
        seed=settings.seed,
        device=device,
    )
    return Request(settings, catalogs, test_sets, {one.name: one for one in parsed}, device, loaded)


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to the run folder {out}: {error.strerror}") from error


def _record_problem(request: Request, command: Sequence[str]) -> str | None:
    """Write run.json; the reason if the folder's rows do not fit this request."""
    settings = request.settings
    prints = [(test_set, fingerprint(test_set, settings.fingerprint)) for test_set in request.test_sets]
    record = new_record(
        settings,
        command,
        request.catalogs,
        request.loaded.records,
        prints,
        list(request.perturbations),
        request.device,
    )
    try:
        write_record(settings.out, merged_record(find_record(settings.out), record, settings.out))
    except UserError as error:
        return str(error)
    return None


def score_pending(request: Request, console: Console) -> dict[str, str]:
    """Run the loop over this rank's share; why detectors were stopped, by name."""
    settings, detectors = request.settings, request.loaded.detectors
    pipeline = Pipeline(
        detectors,
        request.loaded.encoders,
        batch_pixels=settings.batch_size * 256 * 256,
        dtype=_dtype(settings.precision),
    )
    model = ScoringModel(pipeline)
    rank, size = _rank_and_size()
    jobs = pending_jobs(
        settings.out, request.test_sets, list(detectors), list(request.perturbations), rank, size
    )
    if jobs:
        _run_loop(request, model, jobs, console if is_main() else Console(quiet=True))
    return model.stopped


def _run_loop(request: Request, model: ScoringModel, jobs: Sequence[Job], console: Console) -> None:
    settings = request.settings

    def build_loop(runner: Runner, dataloader: Any, evaluator: Any) -> EvaluationLoop:
        return EvaluationLoop(
            runner,
            jobs,
            request.perturbations,
            ShardWriter(settings.out, settings.flush_seconds),
            batch_size=settings.batch_size,
            workers=_workers(settings.workers, request.device),
            dataset=partial(PreparedPictures, seed=settings.seed, max_pixels=settings.max_pixels),
        )

    progress = ProgressHook(jobs, console)
    # the Runner leaves an empty log and a copy of its settings; run.json says more
    with tempfile.TemporaryDirectory() as scratch:
        try:
            Runner(
                model,
                work_dir=scratch,
                test_dataloader=[],
                test_evaluator=[],
                test_cfg={"type": build_loop},
                default_hooks=_UNUSED_HOOKS,
                custom_hooks=[progress],
                log_level="ERROR",
                experiment_name=f"d3qe-bench-{uuid.uuid4().hex}",
                randomness={"seed": settings.seed},
            ).test()
        finally:
            progress.bar.stop()


def _finish(request: Request, failed: Mapping[str, str]) -> MetricsFile:
    """Compact the score files, note who failed, and compute metrics.json."""
    out = request.settings.out
    for cell in cells(out):
        compact_cell(out, cell)
    record = read_record(out)
    for name in request.loaded.records:
        record.detectors[name].failed = failed.get(name)
    write_record(out, record)
    metrics = recorded_metrics(record, request.settings.plugins)
    return evaluate_run(
        out, metrics.catalog, bootstrap=request.settings.bootstrap, not_computed=metrics.missing
    )


def _rank_and_size() -> tuple[int, int]:
    from mmengine.dist import get_dist_info

    return get_dist_info()


def _dtype(precision: str) -> Any:
    import torch

    return None if precision == "float32" else getattr(torch, precision)


def _workers(wanted: int | None, device: str) -> int:
    """On a CPU the networks use all cores and decoding is a small part; a GPU must not wait for it."""
    if wanted is not None:
        return wanted
    return 0 if device == "cpu" else min(8, os.cpu_count() or 1)


def command_line() -> list[str]:
    """The command as the user typed it, for run.json."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
