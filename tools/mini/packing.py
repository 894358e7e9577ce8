"""Writes weights as they ship; `benchmarks/mini/packed.py` reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.mini.packed import SCALE, along_first
from registry.files import atomic

_SMALLEST = 8192
"""Tensors with fewer values stay float32: together they are a few percent of a file."""


def pack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Large float tensors as int8 with a float32 scale per first index: value = int8 × scale."""
    packed = {}
    for name, value in state.items():
        if value.is_floating_point() and value.ndim > 1 and value.numel() >= _SMALLEST:
            scale = value.float().abs().flatten(1).amax(1).clamp_min(1e-12) / 127
            packed[name] = (value.float() / along_first(scale, value)).round().to(torch.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.float() if value.is_floating_point() else value
    return {name: value.contiguous() for name, value in packed.items()}


def write(path: Path, module: nn.Module) -> None:
    """Store a module's weights, large matrices in 8 bits."""
    store(path, pack(module.state_dict()))


def store(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a file that ships, readable by everyone; it appears whole or not at all."""
    with atomic(path) as draft:
        save_file(tensors, draft)
        draft.chmod(0o644)
