"""Networks filled by the rule of the golden files, and the tensors they are fed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tests.golden.seeded import seeded_images, seeded_state_dict

GOLDEN = Path(__file__).parents[1] / "golden"
GOLDEN_SEED = 20251005

Arrays = dict[str, np.ndarray]
Module = TypeVar("Module", bound=nn.Module)


def load_copy(detector: Any, weights: Path) -> None:
    """Load a file that stays as it lies: a pickle that is read leaves its conversion beside it."""
    with tempfile.TemporaryDirectory() as folder:
        detector.load_weights(Path(shutil.copy(weights, folder)))


def golden_names(name: str, prefix: str = "", ignore: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """State-dict names (with `prefix`) and shapes of a reference implementation."""
    keys = json.loads((GOLDEN / f"{name}.keys.json").read_text())
    return {
        key: tuple(shape)
        for key, (shape, _) in keys.items()
        if key.startswith(prefix) and not key.startswith(ignore)
    }


def filled(
    build: Callable[[], Module],
    shapes: dict[str, tuple[int, ...]],
    prefix: str,
    seed: int,
    own: tuple[str, ...] = (),
    ours: str = "",
) -> Module:
    """A module in evaluation mode whose state is the seeded one, with prefix `ours` for `prefix` of the reference's names.

    own: names that our module has and the reference lacks; they become 0.
    """
    with torch.device("meta"):
        module = build()
    state = seeded_state_dict(shapes, seed)
    state = {ours + name.removeprefix(prefix): value for name, value in state.items()}
    expected = module.state_dict()
    for name in own:
        state[name] = torch.zeros(expected[name].shape, dtype=expected[name].dtype)
    module.load_state_dict(state, strict=True, assign=True)
    return module.requires_grad_(False).eval()


def filled_by_own_names(build: Callable[[], Module], seed: int) -> Module:
    """A module in evaluation mode, filled by the names that it shares with the reference."""
    module = build()
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(seeded_state_dict(shapes, seed), strict=True)
    return module.requires_grad_(False).eval()


def images(batch: int, size: int, seed: int) -> Tensor:
    """The images of the golden files in [0, 1], (batch, 3, size, size)."""
    return torch.from_numpy(seeded_images(batch, size, seed))


def normalised_images(batch: int, size: int, seed: int) -> Tensor:
    """The same, spread as a normalised picture is."""
    return images(batch, size, seed) * 4 - 2


def column(logits: Tensor) -> np.ndarray:
    """Logits (N,) in the golden files' shape (N, 1)."""
    return logits.unsqueeze(1).numpy()
