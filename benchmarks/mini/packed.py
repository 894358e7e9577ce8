"""Weights as they ship: safetensors with large matrices in 8 bits, one scale per output.

`tools/mini/packing.py` writes them.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from registry.weights import load_strict, read_state_dict

SCALE = "#scale"
"""Ends the name of a matrix's scales: `head.weight` is int8, `head.weight#scale` float32, one per first index."""


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 tensors of packed ones: value = int8 × scale."""
    return {
        name: value.float() * along_first(packed[name + SCALE], value) if name + SCALE in packed else value
        for name, value in packed.items()
        if not name.endswith(SCALE)
    }


def load(path: Path, module: nn.Module) -> None:
    """Read a file of packed weights into a module of the same architecture.

    Raises:
        WeightsError: no such file, unreadable, or of another network.
    """
    load_strict(module, unpack(read_state_dict(path)), path)


def along_first(scale: Tensor, value: Tensor) -> Tensor:
    """Scales (n,) in a shape that multiplies `value` (n, …) index by index."""
    return scale.view(-1, *[1] * (value.ndim - 1))
