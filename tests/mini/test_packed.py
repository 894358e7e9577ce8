"""8-bit storage of the weights that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.mini import packed
from registry.errors import WeightsError
from registry.weights import read_state_dict
from tools.mini import packing, ship


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(8, 128, 3), nn.BatchNorm2d(128), nn.Flatten(), nn.Linear(128, 100))


def test_values_are_kept_to_half_a_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = _network(), _network()
    path = tmp_path / "a.safetensors"
    packing.write(path, one)
    packed.load(path, other)
    for name, value in one.state_dict().items():
        read = other.state_dict()[name]
        if value.ndim > 1:
            step = value.abs().flatten(1).amax(1) / 127
            assert ((read - value).abs().flatten(1).amax(1) <= step * 0.501).all()
            assert not torch.equal(read, value)
        else:
            assert torch.equal(read, value)
    assert path.stat().st_size < 1.2 * sum(p.numel() for p in one.parameters()) + 8000


def test_storing_what_was_read_changes_nothing(tmp_path: Path) -> None:
    one, other = _network(), _network()
    packing.write(tmp_path / "a.safetensors", one)
    packed.load(tmp_path / "a.safetensors", other)
    packing.write(tmp_path / "b.safetensors", other)
    packed.load(tmp_path / "b.safetensors", one)
    for first, second in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    packing.write(tmp_path / "a.safetensors", nn.Linear(100, 100))
    with pytest.raises(WeightsError, match="does not fit"):
        packed.load(tmp_path / "a.safetensors", _network())


def test_shipped_detectors_keep_counts_and_round_matrices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "WEIGHTS", tmp_path)
    torch.manual_seed(0)
    state = {"counts": torch.tensor([3.0e6, 1.0]), "seen": torch.tensor(7), "layer.weight": torch.randn(4, 5)}
    torch.save({"model": state}, tmp_path / "best.pth")
    ship.main([f"some_detector={tmp_path / 'best.pth'}"])
    read = read_state_dict(tmp_path / "some_detector.safetensors")
    assert torch.equal(read["counts"], state["counts"])
    assert int(read["seen"]) == 7
    torch.testing.assert_close(read["layer.weight"].float(), state["layer.weight"], rtol=1e-3, atol=0)
