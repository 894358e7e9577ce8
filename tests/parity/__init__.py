"""Our networks against the outputs of the published implementations, array by array.

One module per golden file, each with `arrays(seed)`; nothing but `tests/golden` is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

NAMES = (
    "d3qe",
    "univfd",
    "rine",
    "npr",
    "resnet50_binary",
    "gramnet",
    "lnp_denoiser",
    "fusing_psm",
    "patchcraft",
    "patchcraft_preprocess",
    "commfor",
    "res50nodown",
    "dda",
    "bfree",
    "effort",
    "safe",
    "warpad",
    "fgts",
    "modern_preprocess",
    "iar",
    "prada",
    "llamagen_gpt",
    "var",
)


@dataclass(frozen=True)
class Difference:
    """How far one array is from the golden one.

    flipped: integers that differ. error: largest deviation, relative to the largest golden value.
    """

    name: str
    flipped: int
    error: float

    def __str__(self) -> str:
        return f"{self.name:28} {f'{self.flipped} differ' if self.flipped else f'{self.error:.1e}'}"


@torch.inference_mode()
def compute(name: str, seed: int) -> dict[str, np.ndarray]:
    """The arrays of the golden file `name`, as our networks give them at `seed`."""
    arrays: dict[str, np.ndarray] = importlib.import_module(f"tests.parity.{name}").arrays(seed)
    return arrays


def compare(ours: Mapping[str, np.ndarray], golden: Mapping[str, np.ndarray]) -> Iterator[Difference]:
    """One difference per array; raises `AssertionError` where names, shapes or types are not the same."""
    assert set(ours) == set(golden), f"other arrays: {sorted(set(ours) ^ set(golden))}"
    for name, expected in golden.items():
        found = ours[name]
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), (
            f"{name}: {found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
        )
        if np.issubdtype(expected.dtype, np.integer):
            yield Difference(name, int((found != expected).sum()), 0.0)
        else:
            scale = float(np.abs(expected).max())
            yield Difference(name, 0, float(np.abs(found - expected).max()) / scale)
