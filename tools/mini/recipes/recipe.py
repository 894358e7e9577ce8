"""What a training recipe is, and the loop that runs one: seeded, resumable, with progress."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.progress import ProgressBar
from registry.files import atomic

_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_WARM_UP = 0.02
_LAST_FACTOR = 0.02


class Recipe(nn.Module, ABC):
    """Networks, optimizers and one training step.

    A step depends on its number, the seed and the state alone, so that a run that was interrupted
    and resumed ends like one that was not (on the same machine and number of threads).
    """

    steps: int
    optimizers: list[torch.optim.Optimizer]

    @abstractmethod
    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """Take one step and return what is worth watching."""

    @abstractmethod
    def trained(self) -> nn.Module:
        """The network to ship."""

    def learning_rate_factor(self, progress: float) -> float:
        """Factor on the learning rates at `progress` in [0, 1]: warm-up, then a half cosine."""
        if progress < _WARM_UP:
            return (progress + 1e-4) / _WARM_UP
        falling = (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))) / 2
        return _LAST_FACTOR + (1 - _LAST_FACTOR) * falling


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network's weights, which sampling uses."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))


def mixed_precision() -> torch.autocast:
    """bfloat16 where it loses nothing: three times as fast on processors with matrix units."""
    return torch.autocast("cpu", torch.bfloat16)


def train(recipe: Recipe, name: str, folder: Path, seed: int) -> nn.Module:
    """Run a recipe to its end, from its checkpoint in `folder` if there is one."""
    checkpoint = folder / f"{name}.checkpoint.pt"
    first, spent = _resume(recipe, checkpoint)
    saved = time.monotonic()
    started = time.process_time()
    console = Console()
    with ProgressBar(name, recipe.steps, console=console, unit="steps", done=first) as bar:
        for step in range(first, recipe.steps):
            _set_learning_rates(recipe, recipe.learning_rate_factor(step / recipe.steps))
            rng = np.random.default_rng((seed, step))
            torch.manual_seed(int(rng.integers(2**31)))
            watched = recipe.update(step, rng)
            bar.advance()
            bar.describe(f"{name}  {_line(watched)}")
            now = time.monotonic()
            last = step + 1 == recipe.steps
            if last or now - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                saved = now
                seconds = spent + time.process_time() - started
                _save(recipe, checkpoint, step + 1, seconds)
                console.print(
                    f"{name}: step {step + 1} of {recipe.steps}, {seconds:.0f} s of processor time, {_line(watched)}"
                )
    return recipe.trained().eval().requires_grad_(False)


def _line(watched: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4g}" for key, value in watched.items())


def _set_learning_rates(recipe: Recipe, factor: float) -> None:
    for optimizer in recipe.optimizers:
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor


def _save(recipe: Recipe, path: Path, step: int, seconds: float) -> None:
    state = {
        "step": step,
        "seconds": seconds,
        "networks": recipe.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in recipe.optimizers],
    }
    with atomic(path) as draft:
        torch.save(state, draft)


def _resume(recipe: Recipe, path: Path) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    recipe.load_state_dict(state["networks"])
    for optimizer, saved in zip(recipe.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["step"], state["seconds"]
