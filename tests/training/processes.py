"""Trainings in processes of their own: with another number of threads, killed at a chosen moment, or several at once.

A server imports everything once; each process is forked from it before anything was computed.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from benchmarks.training.trainer import train_all
from tests.forked import start_forked


def start(target: Callable[..., None], *arguments: object, log: Path) -> ForkServerProcess:
    """Call a function of this module in a process whose standard error goes to `log`."""
    return start_forked(_logged, target, arguments, log)


def _logged(target: Callable[..., None], arguments: tuple[object, ...], log: Path) -> None:
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    target(*arguments)


def train(config: Path, threads: int) -> None:
    """Train as `d3qe-bench train` does; the exit code is the command's."""
    torch.set_num_threads(threads)
    sys.exit(train_all([config]))


def train_and_die(config: Path, threads: int, module: str, function: str, call: int) -> None:
    """Train until a function has been called so many times, leave what it wrote half, and be killed."""
    *within, name = function.split(".")
    owner = importlib.import_module(module)
    for part in within:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), 0

    def killing(*args: object, **kwargs: object) -> object:
        nonlocal calls
        result = original(*args, **kwargs)
        calls += 1
        if calls == call:
            for path in args:
                if isinstance(path, Path):
                    os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, killing)
    train(config, threads)


def train_together(config: Path, processes: int, log: Path) -> list[int | None]:
    """Train in several processes, as torchrun starts them; their exit codes."""
    port = free_port()
    started = [
        start(_train_as, config, rank, processes, port, log=log.with_suffix(f".{rank}"))
        for rank in range(processes)
    ]
    for process in started:
        process.join(180)
    return [process.exitcode for process in started]


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port: int = free.getsockname()[1]
    return port


def _train_as(config: Path, rank: int, processes: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        MASTER_ADDR="localhost",
        MASTER_PORT=str(port),
    )
    train(config, 1)
