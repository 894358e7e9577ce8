"""Several ways of doing the same, measured in turn in one process, and how they compare."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

Way = Callable[[], object]


def alternately(
    ways: Mapping[str, Way],
    rounds: int,
    device: str,
    *,
    clock: bool = False,
    after: Mapping[str, Way] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each way, once per round, all ways in every round, after one call of each that does not count.

    after: what is done after a way and counts for none, because that way leaves something that the next would pay for.

    On a CPU these are processor seconds, of the process and of those that it has waited for, which other work on the
    machine lengthens less than the clock's; elsewhere, or if asked for, the clock's, until the device is done.
    """
    time_of = partial(now, device, clock=clock)
    for way in ways.values():
        way()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time_of()
            way()
            found[name].append(time_of() - began)
            if after and name in after:
                after[name]()
    return found


def ratio(seconds: Mapping[str, list[float]], name: str, to: str) -> float:
    """The median over rounds of how much longer one way took than another in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))


def now(device: str, *, clock: bool = False) -> float:
    """Seconds to take the difference of: as `alternately` takes them."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        return time.perf_counter()
    if clock:
        return time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
