"""The optimiser, and its learning rate and early stopping by a validation figure."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from benchmarks.training.settings import ScheduleSettings, TrainSettings
from registry import Detector, UserError


def build_optimizer(settings: TrainSettings, detector: Detector, device: torch.device) -> OptimWrapper:
    """The optimiser of the trainable parameters, with mixed precision where asked for on a GPU.

    Raises:
        UserError: mixed precision without a GPU.
    """
    chosen = settings.optimizer
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer: torch.optim.Optimizer
    if chosen.name == "sgd":
        optimizer = torch.optim.SGD(
            parameters, lr=chosen.lr, momentum=chosen.momentum, weight_decay=chosen.weight_decay
        )
    else:
        adam = torch.optim.AdamW if chosen.name == "adamw" else torch.optim.Adam
        optimizer = adam(parameters, lr=chosen.lr, betas=chosen.betas, weight_decay=chosen.weight_decay)
    if settings.precision == "float32":
        return OptimWrapper(optimizer, accumulative_counts=settings.accumulate)
    if device.type != "cuda":
        raise UserError(f"precision {settings.precision} trains on a GPU only: set it to float32 on {device}")
    with warnings.catch_warnings():
        # mmengine makes its scaler by a name that torch is about to drop
        warnings.filterwarnings("ignore", r"`torch\.cuda\.amp\.GradScaler", FutureWarning)
        return AmpOptimWrapper(
            dtype=settings.precision, optimizer=optimizer, accumulative_counts=settings.accumulate
        )


@dataclass
class Plateau:
    """Lowers the learning rate after `patience` epochs without improvement, and stops below `min_lr`.

    As in D3QE's released code: after a drop the comparison starts anew, with another smallest
    improvement. `best` and `best_epoch` are over the whole training. Its state survives a resume.
    """

    settings: ScheduleSettings
    reference: float | None = None
    waited: int = 0
    drops: int = 0
    best: float = -math.inf
    best_epoch: int = 0
    stopped: bool = False

    def step(self, metrics: dict[str, float], epoch: int, lr: float) -> float:
        """The learning rate for the next epoch; `stopped` is set where there should be none.

        metrics: validation figures, `monitor` among them. epoch: that they were measured after, from 1.
        """
        value = metrics[self.settings.monitor]
        if self.settings.monitor == "loss":
            value = -value
        if value > self.best:
            self.best, self.best_epoch = value, epoch
        needed = self.settings.min_delta_after_drop if self.drops else self.settings.min_delta
        if self.reference is None or value >= self.reference + needed:
            self.reference, self.waited = value, 0
            return lr
        self.waited += 1
        if self.waited < self.settings.patience:
            return lr
        lowered = lr * self.settings.factor
        self.reference, self.waited, self.drops = None, 0, self.drops + 1
        self.stopped = lowered < self.settings.min_lr
        return lr if self.stopped else lowered

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {key: value for key, value in asdict(self).items() if key != "settings"}

    def load(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            setattr(self, key, value)
