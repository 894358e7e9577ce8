"""Several ways of doing the same, measured in turn in one process, and how they compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Way = Callable[[], object]


def alternately(ways: Mapping[str, Way], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of each way, once per round, all ways in every round, after one call of each that does not count.

    On a CPU these are the process's processor seconds, which other work on the machine lengthens less than the
    clock's; elsewhere the clock's, until the device is done.
    """
    for way in ways.values():
        way()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = now(device)
            way()
            found[name].append(now(device) - began)
    return found


def ratio(seconds: Mapping[str, list[float]], name: str, to: str) -> float:
    """The median over rounds of how much longer one way took than another in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))


def now(device: str) -> float:
    """Seconds to take the difference of: of this process on a CPU, else of the clock when the device is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()
