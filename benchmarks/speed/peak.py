"""What a device can do at most: the fastest product of square matrices on it, beside which networks are measured."""

from __future__ import annotations

import torch

from benchmarks.speed.alternation import now

SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}
"""Of the matrices that are tried, by kind of device."""
ROUNDS = 5


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second, a multiplication and an addition each, of the fastest product tried."""
    return max(_of_products(side, device, dtype) for side in SIDES[torch.device(device).type])


def _of_products(side: int, device: str, dtype: torch.dtype) -> float:
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    result = left @ right  # warms up
    best = float("inf")
    for _ in range(ROUNDS):
        began = now(device)
        torch.mm(left, right, out=result)
        best = min(best, now(device) - began)
    return 2 * side**3 / best
