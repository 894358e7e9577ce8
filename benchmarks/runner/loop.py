"""The test loop over test sets and perturbations, in mmengine's Runner."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from benchmarks.loading.samples import Prepared, PreparedPictures, keep_list
from benchmarks.perturbations import Perturbation
from benchmarks.runfolder.scores import Cell
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.runner.claims import ClaimedBatches, Claims
from benchmarks.runner.model import ScoringModel
from benchmarks.runner.pending import Job


def pictures_of_batch(batch_size: int, perturbations: Sequence[str]) -> int:
    """How many pictures go through the networks together, each under all perturbations."""
    return max(1, batch_size // len(perturbations))


class ScoringRunner(Runner):
    """mmengine's Runner less what it logs of the machine and can draw of pictures.

    They would import torchvision and matplotlib and start compilers, more than a second of every start; run.json tells
    of the machine, and nothing is drawn.
    """

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        pass

    def build_visualizer(self, visualizer: Any = None) -> Any:
        return _Undrawn()


class _Undrawn:
    def add_config(self, config: Any) -> None:
        """Nothing."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave objects that are there alone: collecting marks each, and so copies all memory that workers share with this process."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class EvaluationLoop(BaseLoop):
    """Scores every job, writing rows as it goes.

    A batch holds all perturbed versions of a few pictures, so that each picture is decoded once;
    about `batch_size` samples go through the networks together. There is no collective operation
    in here: a rank that fails leaves no other one waiting.
    """

    def __init__(
        self,
        runner: Any,
        jobs: Sequence[Job],
        perturbations: Mapping[str, Perturbation],
        writer: ShardWriter,
        *,
        batch_size: int,
        workers: int,
        dataset: Callable[..., PreparedPictures],
        claims: Claims,
    ) -> None:
        super().__init__(runner, dataloader=[])
        self.jobs = jobs
        self.perturbations = perturbations
        self.writer = writer
        self.batch_size = batch_size
        self.workers = workers
        self.dataset = dataset
        self.claims = claims
        self.job: Job | None = None

    def run(self) -> dict[str, float]:
        """Score all jobs. Rows that were computed are on the disk when this returns or raises."""
        self.runner.call_hook("before_test")
        try:
            for job in self.jobs:
                with _uncollected():
                    self._run_job(job)
        finally:
            self.writer.flush()
        self.runner.call_hook("after_test")
        return {}

    def _run_job(self, job: Job) -> None:
        model: ScoringModel = self.runner.model
        self.job = job
        self.dataloader = self._loader(job, model)
        self.runner.call_hook("before_test_epoch")
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook("before_test_iter", batch_idx=index, data_batch=batch)
            scored = model.test_step(batch, job.detectors)
            for one in scored:
                for test_set, picture in [(job.test_set, one.picture), *job.copies.get(one.picture.path, ())]:
                    cell = Cell(one.detector, test_set.name, one.perturbation)
                    self.writer.add(cell, one.row(test_set.paradigm, test_set.generator, picture))
            self.writer.flush_if_due()
            self.runner.call_hook("after_test_iter", batch_idx=index, data_batch=batch, outputs=scored)
            if all(name in model.stopped for name in job.detectors):
                break
        self.writer.end_test_set()
        self.runner.call_hook("after_test_epoch", metrics={})

    def _loader(self, job: Job, model: ScoringModel) -> DataLoader[Prepared]:
        active = [name for name in job.detectors if name not in model.stopped]
        perturbations = [self.perturbations[name] for name in job.perturbations]
        return DataLoader(
            self.dataset(job.test_set, job.pictures, perturbations, model.pipeline.views(active)),
            batch_sampler=ClaimedBatches(
                len(job.pictures),
                pictures_of_batch(self.batch_size, job.perturbations),
                self.claims,
                job.name,
            ),
            num_workers=self.workers,
            collate_fn=keep_list,
            pin_memory=model.pipeline.device.type == "cuda",
        )
