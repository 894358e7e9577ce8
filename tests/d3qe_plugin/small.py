"""D³QE and its encoders at a size that a test can afford."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d3qe_plugin.network import D3QE

CODES, CHANNELS, GRID, FEATURES = 32, 4, (3, 5), 12

OPTIONS: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "codebook_size": CODES,
    "latent_channels": CHANNELS,
    "grid": GRID,
    "clip_features": FEATURES,
}


def small_d3qe(seed: int = 0, **options: Any) -> D3QE:
    """A small network with its own parameters for every seed, in evaluation mode."""
    torch.manual_seed(seed)
    return D3QE(**{**OPTIONS, **options}).eval()


def small_inputs(batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs of `small_d3qe`."""
    generator = torch.Generator().manual_seed(seed)
    positions = GRID[0] * GRID[1]
    return {
        "indices": torch.randint(0, CODES, (batch, positions), generator=generator),
        "tokens": torch.randn(batch, CHANNELS, *GRID, generator=generator),
        "clip": torch.randn(batch, FEATURES, generator=generator),
    }
