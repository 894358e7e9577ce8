"""Files appear whole or not at all, also where the disk is full in the middle of one."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from registry.files import atomic
from registry.weights import save_checkpoint, save_state, write_training

LIMIT = 4096


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond `LIMIT` bytes: the system refuses the write, as of a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_an_error_of_the_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, atomic(tmp_path / "scores.parquet"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "scores.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_weights_that_do_not_fit_on_the_disk(tmp_path: Path, name: str, small_files: None) -> None:
    """The libraries' own errors, "unexpected pos 576 vs 534" among them, would end in a traceback."""
    with pytest.raises(OSError, match="too large") as caught:
        save_state(nn.Linear(100, 100), tmp_path / name)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit(tmp_path: Path, small_files: None) -> None:
    with pytest.raises(OSError, match="too large"):
        save_checkpoint({"model": {"weight": torch.zeros(10_000)}}, tmp_path / "epoch-0001.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_does_not_fit_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_state(nn.Linear(100, 100), path)
    before = path.read_bytes()
    request = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, request[1]))
        with pytest.raises(OSError, match="too large"):
            write_training(path, {"trained_on": {}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, request)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
