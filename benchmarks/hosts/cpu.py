"""Runs code that was written for ranks of CUDA devices as one process, on a CPU if need be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from benchmarks.hosts.suite import Notes


@contextmanager
def cpu_for_cuda(notes: Notes, who: str) -> Iterator[None]:
    """Where there is no GPU, what asks for `cuda` or `nccl` gets the CPU or gloo; else nothing changes."""
    import torch
    from torch.overrides import TorchFunctionMode

    if torch.cuda.is_available():
        yield
        return
    notes.shim("CPU in place of CUDA, gloo in place of NCCL", f"{who} asks for a GPU, and there is none")

    class OnCpu(TorchFunctionMode):
        """Tensor creation on `cuda`, `.cuda()` and `.to("cuda")` stay on the CPU."""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.Tensor.cuda:
                return args[0]
            args = tuple("cpu" if _is_cuda(value) else value for value in args)
            kwargs = {key: "cpu" if _is_cuda(value) else value for key, value in (kwargs or {}).items()}
            return function(*args, **kwargs)

    def with_changes(function: Callable[..., Any], **changes: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: function(*args, **{**kwargs, **changes})

    distributed, parallel = torch.distributed, torch.nn.parallel
    with ExitStack() as stack:
        stack.enter_context(OnCpu())
        for owner, name, value in (
            (torch.cuda, "set_device", lambda device: None),
            (torch, "load", with_changes(torch.load, map_location="cpu")),
            (distributed, "init_process_group", with_changes(distributed.init_process_group, backend="gloo")),
            (
                parallel,
                "DistributedDataParallel",
                with_changes(parallel.DistributedDataParallel, device_ids=None),
            ),
        ):
            stack.enter_context(patch.object(owner, name, value))
        yield


def _is_cuda(value: object) -> bool:
    import torch

    if isinstance(value, torch.device):
        return value.type == "cuda"
    return isinstance(value, str) and value.partition(":")[0] == "cuda"


@contextmanager
def one_rank() -> Iterator[None]:
    """The environment of torchrun with one rank on this machine; its process group ends with the block."""
    import torch.distributed

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    rank = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": port,
    }
    with patch.dict(os.environ, rank):
        try:
            yield
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
