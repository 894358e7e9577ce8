"""Which batches a process takes, of those that several processes share.

Every batch is claimed before it is scored, by a file that only one process can create: a process that is twice as fast takes
twice as many, and none waits for another. Claims are of several batches, fewer towards the end of a test set, so that all
processes end at about the same time.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Sampler

from benchmarks.ranks import Processes

FOLDER = ".claims"
_CLAIMS_PER_PROCESS = 8
"""About how many claims each process makes before they get smaller."""


@dataclass(frozen=True)
class Claims:
    """Claims of processes that were started together. folder: of theirs; None where one process has all."""

    folder: Path | None = None
    processes: int = 1

    def take(self, name: str) -> bool:
        """Whether this process is the first that asks for `name`."""
        if self.folder is None:
            return True
        try:
            self.folder.joinpath(name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@contextmanager
def shared_claims(run: Path, processes: Processes) -> Iterator[Claims]:
    """The claims of all processes; they go on together from here, so that all know the same work."""
    if processes.count == 1:
        yield Claims()
        return
    folder = run / FOLDER / processes.gather(uuid.uuid4().hex)[0]
    folder.mkdir(parents=True, exist_ok=True)
    processes.wait()
    yield Claims(folder, processes.count)
    processes.wait()
    if processes.first:
        shutil.rmtree(folder)


def claim_size(left: int, processes: int) -> int:
    """How many of `left` batches a process takes at once: fewer towards the end, so that all end at about the same time."""
    return max(1, left // (_CLAIMS_PER_PROCESS * processes))


class ClaimedBatches(Sampler[list[int]]):
    """The batches of a job that this process takes, in order; batches are the same however many processes there are.

    items: how many there are. job: its name among the claims.
    """

    def __init__(self, items: int, batch_size: int, claims: Claims, job: str) -> None:
        self.items = items
        self.batch_size = batch_size
        self.claims = claims
        self.job = job

    def __iter__(self) -> Iterator[list[int]]:
        first, batches = 0, -(-self.items // self.batch_size)
        while first < batches:
            size = claim_size(batches - first, self.claims.processes)
            if self.claims.take(f"{self.job}-{first}"):
                for batch in range(first, first + size):
                    start = batch * self.batch_size
                    yield list(range(start, min(start + self.batch_size, self.items)))
            first += size
