"""Checkpoints: plain tensors and values, whole or absent, enough of them that no kill loses an epoch."""

from __future__ import annotations

import json
import logging
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from benchmarks.files import write_json
from benchmarks.ranks import Processes
from benchmarks.seeds import BEST
from benchmarks.training.schedule import Plateau
from registry import Detector, WeightsError
from registry.weights import read_checkpoint, save_checkpoint, sha256, write_training

logger = logging.getLogger(__name__)

# 1 had no digests of the weights that a training starts from and reads
SCHEMA = 2


def newest(out: Path) -> dict[str, Any] | None:
    """The latest checkpoint that can be read; a damaged one is named and the one before it taken.

    Raises:
        WeightsError: there are checkpoints but none can be read.
    """
    problem: WeightsError | None = None
    for path in reversed(_paths(out)):
        try:
            _check_whole(path)
            found: dict[str, Any] = read_checkpoint(path, convert=False)
            return found
        except WeightsError as error:
            logger.warning("%s; going back to the checkpoint before it", error)
            problem = error
    if problem is not None:
        raise problem
    return None


def _check_whole(path: Path) -> None:
    """Raise `WeightsError` for a file that is not as it was written: torch does not compare the checksums in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    # damaged bytes can stand for anything, an encrypted member or a method that does not exist among it
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        EOFError,
    ) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error
    if damaged is not None:
        raise WeightsError(f"{path} is damaged: {damaged}")


def _paths(out: Path) -> list[Path]:
    """The checkpoints in a training's folder, the latest last."""
    return sorted(out.glob("checkpoints/epoch-*.pth"))


def _file_name(epoch: int) -> str:
    return f"epoch-{epoch:04d}.pth"


class Checkpoints(Hook):
    """Restores the newest whole checkpoint before a run and writes one after every epoch.

        OUT/checkpoints/epoch-0007.pth   everything a resume needs
        OUT/best.safetensors             the detector of the best epoch, as `load_weights` reads it
        OUT/best.json                    which detector that is, what it was trained on, and its figures
        OUT/history.json                 one entry per epoch

    Checkpoints load with `torch.load(weights_only=True)`. After an epoch the figures steer the learning rate
    (`plateau`), then the state is written; a kill before that repeats the epoch on resume.

    keep: how many of the latest and of the best are kept; at least 2. note: what a training records of itself,
    as `training_record.describe` makes it.
    """

    priority = "VERY_LOW"

    def __init__(
        self, out: Path, plateau: Plateau, processes: Processes, *, keep: int, note: dict[str, Any]
    ) -> None:
        self.out = out
        self.plateau = plateau
        self.processes = processes
        self.keep = keep
        self.note = note
        self.history: list[dict[str, Any]] = []
        self._losses: list[torch.Tensor] = []

    def before_run(self, runner: Runner) -> None:
        """Before mmengine counts the optimiser's steps, so that it counts from the restored one."""
        found = newest(self.out)
        if found is None:
            return
        detector_of(runner.model).load_state_dict(found["model"])
        runner.optim_wrapper.load_state_dict(found["optimizer"])
        self.plateau.load(found["plateau"])
        self.history = found["history"]
        runner.train_loop.resume(found["epoch"])
        runner.train_loop.stop_training = self.plateau.stopped

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._losses.append(outputs["loss"].detach())

    def after_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        epoch = runner.epoch
        groups = runner.optim_wrapper.optimizer.param_groups
        lr = float(groups[0]["lr"])
        self.history.append({"epoch": epoch, "lr": lr, "train_loss": self._mean_loss(), **metrics})
        if metrics:
            lowered = self.plateau.step(metrics, epoch, lr)
            runner.train_loop.stop_training = self.plateau.stopped
            for group in groups:
                group["lr"] = lowered
        else:
            self.plateau.best_epoch = epoch
        if self.processes.first:
            self._write(runner, epoch)
        self.processes.wait()

    def _mean_loss(self) -> float:
        losses = self.processes.gather(float(torch.stack(self._losses).double().mean()))
        self._losses.clear()
        return sum(losses) / len(losses)

    def _write(self, runner: Runner, epoch: int) -> None:
        detector = detector_of(runner.model)
        state = {
            "schema": SCHEMA,
            "epoch": epoch,
            "model": detector.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "plateau": self.plateau.state(),
            "history": self.history,
            **self.note,
        }
        # the export first: a kill between the two repeats the epoch, and writes the same export again
        if self.plateau.best_epoch == epoch:
            self._export(detector)
        save_checkpoint(state, self.out / "checkpoints" / _file_name(epoch))
        write_json(self.out / "history.json", self.history)
        self._drop_old()

    def _export(self, detector: Detector) -> None:
        path = self.out / BEST
        detector.save_weights(path)
        write_training(path, {key: self.note[key] for key in ("trained_on", "weights")})
        note = path.with_suffix(".json")
        # a detector may keep a note of its own there
        written = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        chosen = self.note["config"]["detector"]
        training = {
            "detector": {"name": chosen["name"], "options": chosen["options"]},
            "sha256": sha256(path),
            **{key: self.note[key] for key in ("trained_on", "validated_on", "weights", "version")},
            **self.history[-1],
        }
        write_json(note, {**written, "training": training})

    def _drop_old(self) -> None:
        monitor = self.plateau.settings.monitor
        sign = 1 if monitor == "loss" else -1
        ranked = sorted(self.history, key=lambda entry: sign * entry.get(monitor, -sign * entry["epoch"]))
        kept = {entry["epoch"] for entry in [*self.history[-self.keep :], *ranked[: self.keep]]}
        for path in _paths(self.out):
            if path.name not in {_file_name(epoch) for epoch in kept}:
                path.unlink()


def detector_of(model: nn.Module) -> Detector:
    """The detector inside mmengine's and DistributedDataParallel's wrappers."""
    inner: Any = model.module if is_model_wrapper(model) else model
    return inner.detector
