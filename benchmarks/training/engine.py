"""Training in mmengine's Runner: the model that it steps, its epoch loop, and validation.

Frozen encoders are read outside of the graph; every epoch is seeded anew, and validated before anything is saved.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseDataPreprocessor, BaseModel, MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from scipy.special import expit
from sklearn.metrics import average_precision_score, log_loss
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.ranks import NO_DEFAULT_HOOKS, Processes
from benchmarks.training.batches import Batch, Loader, end_workers
from benchmarks.training.schedule import build_optimizer
from benchmarks.training.settings import TrainSettings
from registry import Detector
from registry.detector import check_logits
from registry.inputs import InputReader


class ToDevice(BaseDataPreprocessor):
    """Moves a batch to where the model is."""

    def forward(self, data: Batch, training: bool = False) -> dict[str, Batch]:
        return {"batch": data.to(self.device)}


class TrainingModel(BaseModel):
    """What mmengine's Runner steps: a detector's `training_loss`.

    `forward` raises `NonFiniteLoss` before any parameter has changed.
    """

    def __init__(self, detector: Detector, reader: InputReader) -> None:
        super().__init__(data_preprocessor=ToDevice())
        self.detector = detector
        self.reader = reader

    def init_weights(self) -> None:
        """Nothing: the detector's constructor drew its weights; mmengine would look for more to do."""

    def forward(self, batch: Batch, mode: str = "loss") -> dict[str, Tensor] | Tensor:
        """`loss`: the batch's loss, and the detector's training-time state moves on; `predict`: logits."""
        inputs = self.reader(batch.tensors)
        if mode == "predict":
            return self.detector(inputs)
        loss = self.detector.training_loss(inputs, batch.labels)
        if not torch.isfinite(loss):
            raise NonFiniteLoss(float(loss.detach()), batch.indices.tolist())
        with torch.no_grad(), torch.autocast(loss.device.type, enabled=False):
            self.detector.after_step(inputs, batch.labels)
        return {"loss": loss}


class NonFiniteLoss(Exception):
    """The loss of a batch is NaN or infinite. indices: which pictures the batch held."""

    def __init__(self, value: float, indices: list[int]) -> None:
        super().__init__(f"loss {value}")
        self.indices = indices


@torch.inference_mode()
def validate(model: TrainingModel, batches: DataLoader[Batch], processes: Processes) -> dict[str, float]:
    """Accuracy at 0.5, average precision and mean BCE over the pictures of all processes together.

    Raises:
        NonFiniteLoss: a logit is NaN or infinite. OutputError: there is not one of each picture.
    """
    model.eval()
    scored: list[tuple[int, int, float]] = []
    for batch in batches:
        found = model(**model.data_preprocessor(batch), mode="predict")
        logits = check_logits(type(model.detector).__name__, found, len(batch.indices)).float().cpu()
        if not torch.isfinite(logits).all():
            raise NonFiniteLoss(float(logits.sum()), batch.indices.tolist())
        scored += zip(batch.indices.tolist(), batch.labels.tolist(), logits.tolist(), strict=True)
    everything = sorted(row for rows in processes.gather(scored) for row in rows)
    labels = np.array([label for _, label, _ in everything])
    logits_ = np.array([logit for _, _, logit in everything], dtype=np.float64)
    return {
        "acc": float(np.mean((logits_ > 0) == (labels == 1))),
        "ap": float(average_precision_score(labels, logits_)),
        "loss": float(log_loss(labels, expit(logits_), labels=[0, 1])),
    }


class TrainLoop(EpochBasedTrainLoop):
    """Trains and validates epoch by epoch; hooks get `after_epoch(runner, metrics)` when both are done.

    An epoch depends on nothing but the weights, the optimiser and (seed, epoch, rank), so resuming
    after epoch k repeats what an uninterrupted training does; on a CPU with as many threads to the
    last bit.

    Hooks can set `stop_training`.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Batch],
        max_epochs: int,
        *,
        processes: Processes,
        seed: int,
        validation: DataLoader[Batch] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs)
        self.processes = processes
        self.seed = seed
        self.validation = validation

    def resume(self, epoch: int) -> None:
        """Go on after `epoch` finished epochs."""
        self._epoch = epoch
        self._iter = epoch * len(self.dataloader)

    def run(self) -> nn.Module:
        try:
            self._run()
        finally:
            end_workers(self.dataloader)
            if self.validation is not None:
                end_workers(self.validation)
        return self.runner.model

    def _run(self) -> None:
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs and not self.stop_training:
            torch.manual_seed(zlib.crc32(f"{self.seed} {self._epoch} {self.processes.rank}".encode()))
            self.dataloader.batch_sampler.epoch = self._epoch
            self.run_epoch()
            self.runner.call_hook("after_epoch", metrics=self._validate())
        self.runner.call_hook("after_train")

    def _validate(self) -> dict[str, float]:
        model = self.runner.model
        if is_model_wrapper(model):
            model = model.module
        self._share_buffers(model)
        return {} if self.validation is None else validate(model, self.validation, self.processes)

    def _share_buffers(self, model: nn.Module) -> None:
        """Batch statistics differ between processes: all validate with those that are saved."""
        if self.processes.count > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)


class TrainRunner(Runner):
    """mmengine's Runner, except that the model stays on the device it was put on."""

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        return model


def build_runner(
    settings: TrainSettings,
    detector: Detector,
    reader: InputReader,
    loaders: tuple[Loader, Loader | None],
    processes: Processes,
    hooks: Sequence[Hook],
) -> TrainRunner:
    """mmengine's Runner around all of it; it logs to OUT/logs and TensorBoard reads that folder."""
    model: nn.Module = TrainingModel(detector, reader).to(processes.device)
    optimizer = build_optimizer(settings, detector, processes.device)
    if processes.count > 1:
        ids = [processes.device.index] if processes.device.type == "cuda" else None
        model = MMDistributedDataParallel(model, device_ids=ids)
    training, validation = loaders
    logs = (
        Path(settings.out, "logs")
        if processes.first
        else Path(settings.out, "logs", f"rank-{processes.rank}")
    )
    return TrainRunner(
        model=model,
        work_dir=str(logs),
        train_dataloader=training,
        train_cfg={
            "type": TrainLoop,
            "max_epochs": settings.epochs,
            "processes": processes,
            "seed": settings.seed,
            "validation": validation,
        },
        optim_wrapper=optimizer,
        default_hooks=NO_DEFAULT_HOOKS,
        custom_hooks=list(hooks),
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        randomness={"seed": settings.seed},
        log_level="WARNING",
        # two Runners of one name in one process would share a logger
        experiment_name=uuid.uuid4().hex,
    )
