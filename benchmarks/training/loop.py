"""The epoch loop: mmengine's, with validation before anything is saved and every epoch seeded anew."""

from __future__ import annotations

import zlib
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.training.batches import Batch
from benchmarks.training.processes import Processes
from benchmarks.training.validation import validate


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
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs and not self.stop_training:
            torch.manual_seed(zlib.crc32(f"{self.seed} {self._epoch} {self.processes.rank}".encode()))
            self.dataloader.batch_sampler.epoch = self._epoch
            self.run_epoch()
            self.runner.call_hook("after_epoch", metrics=self._validate())
        self.runner.call_hook("after_train")
        return self.runner.model

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
