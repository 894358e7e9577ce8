"""A checkpoint in which one bit has changed is not gone on from: torch reads it without comparing its checksums."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from benchmarks.training.checkpoints import newest
from registry import WeightsError
from registry.weights import save_checkpoint


def test_the_one_before_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for epoch in (1, 2):
        content = {"epoch": epoch, "model": {"weight": torch.full((1000,), float(epoch))}}
        save_checkpoint(content, tmp_path / "checkpoints" / f"epoch-000{epoch}.pth")
    last = tmp_path / "checkpoints" / "epoch-0002.pth"
    damaged = bytearray(last.read_bytes())
    at = damaged.index(torch.full((4,), 2.0).numpy().tobytes()) + 2002
    damaged[at] ^= 1
    last.write_bytes(damaged)
    assert torch.load(last, weights_only=True)["epoch"] == 2, "torch sees nothing"

    with caplog.at_level(logging.WARNING):
        found = newest(tmp_path)

    assert found is not None
    assert found["epoch"] == 1
    assert "epoch-0002.pth is damaged" in caplog.text

    (tmp_path / "checkpoints" / "epoch-0001.pth").write_bytes(b"PK")
    with pytest.raises(WeightsError, match="is damaged"):
        newest(tmp_path)
