"""The processes that train together: one, or as many as torchrun or Slurm started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from mmengine import dist

from benchmarks.runner.ranks import choose_device, finish_ranks, start_ranks

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process's rank, how many there are, and where it computes."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank, on every process."""
        gathered: list[T] = dist.all_gather_object(value)
        return gathered

    def wait(self) -> None:
        """Go on when all processes have come here."""
        dist.barrier()


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Compute on `count` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def joined(launcher: str, device: str) -> Iterator[Processes]:
    """Join the processes that were started together; a process on its own is one of one."""
    chosen = torch.device(choose_device(device))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    start_ranks(launcher, chosen.type)
    try:
        rank, count = dist.get_dist_info()
        yield Processes(rank, count, chosen)
    finally:
        finish_ranks()
