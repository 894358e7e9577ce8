"""The processes that score or train together: one, or as many as torchrun or Slurm started.

mmengine's launchers call `torch.cuda.set_device` even on a machine without CUDA, and wrapping
frozen networks in DistributedDataParallel fails; so the group is made here and the Runner is
started with `launcher='none'`, which still sees all ranks.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from mmengine import dist

from registry import UserError

T = TypeVar("T")

# ranks that score meet only before and after, which may take a day
TIMEOUT = timedelta(days=7)

NO_DEFAULT_HOOKS: dict[str, None] = dict.fromkeys(
    ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
)
"""`default_hooks` of a Runner that gets none but those it is given: the project logs, saves and seeds itself."""


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

    def agree(self, problem: str | None) -> None:
        """All processes go on, or all raise the first one's problem as `UserError`."""
        shared = [problem]
        dist.broadcast_object_list(shared, src=0)
        if shared[0] is not None:
            raise UserError(shared[0])

    def wait(self) -> None:
        """Go on when all processes have come here."""
        dist.barrier()


@contextmanager
def joined(launcher: str, device: str) -> Iterator[Processes]:
    """Join the processes that were started together; a process on its own is one of one.

    launcher: none, pytorch, slurm or auto. device: as `choose_device` takes it.

    Raises:
        UserError: no such device, or the launcher's environment variables are missing.
    """
    chosen = torch.device(choose_device(device))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    _start_ranks(launcher, chosen.type)
    try:
        rank, count = dist.get_dist_info()
        yield Processes(rank, count, chosen)
    finally:
        _finish_ranks()


def choose_device(wanted: str) -> str:
    """`auto` is this rank's GPU where there is one, else the CPU.

    Raises:
        UserError: CUDA was asked for and is not there, or no such device.
    """
    local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
    if wanted == "auto":
        return f"cuda:{local % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise UserError(f"device {wanted!r} is not known: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {wanted!r}: no CUDA device is available; use --device cpu")
    return f"cuda:{local}" if wanted == "cuda" else wanted


def decoding_processes(asked: int | None, device: torch.device | str) -> int:
    """As many as asked for, else none beside a CPU, whose cores the networks use, and up to 8 beside a GPU."""
    if asked is not None:
        return asked
    return 0 if torch.device(device).type == "cpu" else min(8, os.cpu_count() or 1)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Compute on `count` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start_ranks(launcher: str, device: str) -> None:
    """Join the process group that `launcher` (none, pytorch, slurm or auto) prepared, if any.

    Raises:
        UserError: the launcher's environment variables are missing.
    """
    if launcher == "auto":
        launcher = "pytorch" if int(os.environ.get("WORLD_SIZE", "1")) > 1 else "none"
    if launcher == "none" or torch.distributed.is_initialized():
        return
    if not device.startswith("cpu"):
        try:
            dist.init_dist(launcher, backend="nccl", timeout=TIMEOUT)
        except KeyError as error:
            raise _not_started(launcher, error) from error
        return
    if launcher == "slurm":
        _environment_from_slurm()
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except KeyError as error:
        raise _not_started(launcher, error) from error
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size, timeout=TIMEOUT)


def _not_started(launcher: str, error: KeyError) -> UserError:
    how = "torchrun --nproc-per-node N -m benchmarks.cli …" if launcher == "pytorch" else "srun d3qe-bench …"
    return UserError(f"launcher {launcher!r}: {error} is not set; start the ranks with `{how}`")


def _environment_from_slurm() -> None:
    """Slurm's variables under the names that torch reads."""
    try:
        os.environ["RANK"] = os.environ["SLURM_PROCID"]
        os.environ["WORLD_SIZE"] = os.environ["SLURM_NTASKS"]
        nodes = os.environ["SLURM_NODELIST"]
    except KeyError as error:
        raise _not_started("slurm", error) from error
    os.environ.setdefault("MASTER_PORT", "29500")
    if "MASTER_ADDR" not in os.environ:
        listed = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
        )
        os.environ["MASTER_ADDR"] = listed.stdout.split()[0]


def _finish_ranks() -> None:
    """Leave the process group."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
