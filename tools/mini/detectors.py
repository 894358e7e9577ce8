"""Trains the detectors that ship with the benchmark, as `d3qe-bench train` does with the same configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.training.trainer import read_training, train
from registry.errors import UserError
from tools.mini.pretrain import pretrain
from tools.mini.recipes.data import TrainingCrops
from tools.mini.ship import ship

CONFIGURATIONS = Path(__file__).parents[2] / "benchmarks" / "configs" / "training"


def train_detectors(work: Path, crops: TrainingCrops) -> None:
    """Train and ship every detector with a `*_mini.yaml`; what they are made from lies below `work`.

    Raises:
        UserError: a training ended before it was complete.
    """
    for configuration in sorted(CONFIGURATIONS.glob("*_mini.yaml")):
        settings = read_training(configuration)
        name = settings.detector.name
        places: dict[str, Any] = {"out": work / "detectors" / name}
        if settings.features:
            places["features"] = work / "detectors" / "features"
        if settings.detector.weights:
            start = work / settings.detector.weights.name
            if not start.is_file():
                pretrain(name, start, crops)
            places["detector"] = settings.detector.model_copy(update={"weights": start})
        result = train(settings.model_copy(update=places))
        if not result.complete:
            raise UserError(f"{configuration}: {result.reason}")
        ship(name, result.best)
