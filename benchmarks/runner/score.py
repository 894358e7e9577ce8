"""Scores what a run still lacks: which jobs there are, and mmengine's loop over them in this process."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.runner import Runner
from rich.console import Console

from benchmarks.loading.samples import PreparedPictures
from benchmarks.ranks import NO_DEFAULT_HOOKS, decoding_processes
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.runner.claims import Claims, shared_claims
from benchmarks.runner.loop import EvaluationLoop, ScoringRunner, pictures_of_batch
from benchmarks.runner.model import ScoringModel
from benchmarks.runner.pending import Job, pending_jobs, same_pictures
from benchmarks.runner.plan import Plan
from benchmarks.runner.run_progress import RunProgress


def score_pending(plan: Plan, console: Console) -> dict[str, str]:
    """Run the loop over what this process takes of the shard; why detectors were stopped, by name."""
    model = ScoringModel(plan.session.pipeline)
    jobs = jobs_of(plan)
    here = plan.processes
    writer = ShardWriter(plan.settings.out, plan.settings.flush_seconds)
    with shared_claims(plan.settings.out, here) as claims:
        if jobs:
            score_jobs(plan, model, jobs, writer, claims, console if here.first else Console(quiet=True))
    return model.stopped


def jobs_of(plan: Plan) -> list[Job]:
    """What of a plan's shard is still to be done."""
    # of a view that is made of a picture's path, copies are not copies
    alike = not any(view.reads_path for view in plan.session.pipeline.views())
    repeats = same_pictures(plan.settings.out, plan.test_sets) if alike else {}
    number, count = plan.settings.part
    return pending_jobs(
        plan.settings.out,
        plan.test_sets,
        list(plan.session.detectors),
        list(plan.perturbations),
        repeats,
        part=number - 1,
        parts=count,
        block=pictures_of_batch(plan.settings.batch_size, list(plan.perturbations)),
    )


def score_jobs(
    plan: Plan,
    model: ScoringModel,
    jobs: Sequence[Job],
    writer: ShardWriter,
    claims: Claims,
    console: Console,
) -> None:
    """Score the batches of `jobs` that this process claims. All rows are on the disk when this returns or raises."""
    settings = plan.settings

    def build_loop(runner: Runner, dataloader: Any, evaluator: Any) -> EvaluationLoop:
        return EvaluationLoop(
            runner,
            jobs,
            plan.perturbations,
            writer,
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
            plan.session.keep_features()
