"""The order of training pictures: a function of (seed, epoch) alone, shared out over processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from registry import UserError

Key = tuple[int, int]
"""(epoch, picture): workers need no state of their own to know which version to make."""


class TrainingBatches(Sampler[list[Key]]):
    """Batches of one process: every epoch a permutation, cut into whole batches, each cut into parts.

    All processes together see the same batches whatever their number; the pictures that do not
    fill a batch are left out of that epoch, others every time.

    pictures: how many there are. batch_size: pictures per optimiser step over all processes.
    parts: how many parts a process cuts its share into (gradient accumulation).

    Raises:
        UserError: too few pictures for one batch, or a batch that cannot be shared out evenly.
    """

    def __init__(
        self, pictures: int, batch_size: int, *, seed: int, parts: int = 1, rank: int = 0, processes: int = 1
    ) -> None:
        if batch_size % (parts * processes):
            raise UserError(
                f"batch_size {batch_size} cannot be shared out evenly over {processes} processes "
                f"× accumulate {parts}"
            )
        if pictures < batch_size:
            raise UserError(
                f"{pictures} training pictures do not fill one batch of {batch_size}: set batch_size lower"
            )
        self.pictures = pictures
        self.batch_size = batch_size
        self.seed = seed
        self.parts = parts
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    @property
    def part_size(self) -> int:
        """Pictures of one forward pass of one process."""
        return self.batch_size // (self.parts * self.processes)

    def __len__(self) -> int:
        return self.pictures // self.batch_size * self.parts

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.pictures)
        for start in range(0, self.pictures - self.batch_size + 1, self.batch_size):
            batch = order[start : start + self.batch_size].reshape(self.parts, self.processes, self.part_size)
            for part in batch[:, self.rank]:
                yield [(self.epoch, int(index)) for index in part]


class ValidationBatches(Sampler[list[Key]]):
    """Every `processes`-th picture from `rank` on, in order, without repeats or padding."""

    def __init__(self, pictures: int, batch_size: int, *, rank: int = 0, processes: int = 1) -> None:
        self.indices = range(rank, pictures, processes)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(0, len(self.indices), self.batch_size):
            yield [(0, index) for index in self.indices[start : start + self.batch_size]]
