"""Stores trained detectors among the weights that ship: matrices in half precision.

python -m tools.mini.ship NAME=runs/training/NAME/best.safetensors …
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from benchmarks.commands.options import split_paths
from benchmarks.commands.outcome import run_script
from benchmarks.mini.generators import WEIGHTS
from registry.weights import read_state_dict
from tools.mini import packing


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as float16; vectors stay: statistics and code counts need their range."""
    return {
        name: (value.half() if value.is_floating_point() and value.ndim > 1 else value).contiguous()
        for name, value in state.items()
    }


def ship(name: str, weights: Path) -> None:
    """Store a trained detector as NAME.safetensors among the weights that ship.

    Raises:
        WeightsError: no such file, or unreadable.
    """
    target = WEIGHTS / f"{name}.safetensors"
    packing.store(target, halved(read_state_dict(weights)))
    typer.echo(f"{target}: {target.stat().st_size:,} bytes")


def main(weights: Annotated[list[str], typer.Argument(help="NAME=PATH of a trained detector")]) -> None:
    """Write NAME.safetensors for each."""
    for name, path in split_paths(weights, "ship").items():
        ship(name, path)


if __name__ == "__main__":
    run_script(main)
