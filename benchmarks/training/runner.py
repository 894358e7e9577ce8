"""mmengine's Runner around a detector and its pictures."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from torch import nn

from benchmarks.training.loaders import Loader
from benchmarks.training.loop import TrainLoop, TrainRunner
from benchmarks.training.model import TrainingModel
from benchmarks.training.processes import Processes
from benchmarks.training.reader import InputReader
from benchmarks.training.settings import TrainSettings
from benchmarks.training.setup import build_optimizer
from registry import Detector

_NO_DEFAULT_HOOKS: dict[str, None] = dict.fromkeys(
    ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
)


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
        default_hooks=_NO_DEFAULT_HOOKS,
        custom_hooks=list(hooks),
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        randomness={"seed": settings.seed},
        log_level="WARNING",
        # two Runners of one name in one process would share a logger
        experiment_name=uuid.uuid4().hex,
    )
