"""Weights files are read without running code and fitted whole or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from registry import WeightsError
from registry.weights import load_strict, parameter_digest, read_checkpoint, read_state_dict, sha256


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"model": s}, lambda s: {"state_dict": s, "epoch": 3}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_state_dicts_are_found_wherever_they_are(tmp_path: Path, wrap: object, prefix: str) -> None:
    state = network().state_dict()
    torch.save(wrap({prefix + name: value for name, value in state.items()}), tmp_path / "w.pth")  # type: ignore[operator]
    read = read_state_dict(tmp_path / "w.pth")
    assert list(read) == list(state)
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_safetensors(tmp_path: Path) -> None:
    save_file(network().state_dict(), tmp_path / "w.safetensors")
    read = read_state_dict(tmp_path / "w.safetensors")
    assert set(read) == set(network().state_dict())


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    torch.save({"model": network().state_dict(), "extra": Bomb(marker)}, tmp_path / "bomb.pth")
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(Bomb(marker)))
    for name in ("bomb.pth", "bare.pkl"):
        with pytest.raises(WeightsError) as caught:
            read_checkpoint(tmp_path / name)
        assert "is refused" in str(caught.value)
        assert "weights_only" not in str(caught.value), "nobody is told how to switch the protection off"
        assert "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.pth", b"hello, this is no checkpoint"),
        ("empty.pth", b""),
        ("empty.safetensors", b""),
        ("text.safetensors", b"hello, this is no checkpoint"),
        ("half.pth", None),
    ],
)
def test_unreadable_files_are_one_line(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is None:
        torch.save(network().state_dict(), path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match="no weights file at"):
            read_checkpoint(path)


def test_a_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "model": {"name": "x"}}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds no table of tensors"):
        read_state_dict(tmp_path / "w.pth")


def test_misfits_are_named_and_nothing_is_loaded() -> None:
    module = network()
    before = parameter_digest(module)
    state = dict(module.state_dict())
    del state["1.bias"]
    state["0.bias"] = torch.zeros(5)
    state["stray"] = torch.zeros(1)
    state["0.weight"] = torch.ones(2, 3)
    with pytest.raises(WeightsError) as caught:
        load_strict(module, state, Path("w.pth"))
    assert str(caught.value) == (
        "w.pth does not fit Sequential: 1 missing: 1.bias; 1 unexpected: stray; "
        "1 of another shape: 0.bias (5,) instead of (2,)"
    )
    assert parameter_digest(module) == before


def test_long_lists_of_misfits_are_cut() -> None:
    with pytest.raises(WeightsError, match=r"7 missing: 0.weight, 0.bias, 1.weight, 1.bias, …$"):
        load_strict(network(), {}, Path("w.pth"))


def test_optional_names_may_be_missing() -> None:
    module = network()
    state = {name: torch.ones_like(value) for name, value in module.state_dict().items() if "1." not in name}
    optional = [name for name in module.state_dict() if "1." in name]
    load_strict(module, state, Path("w.pth"), optional=optional)
    assert torch.equal(module[0].weight, torch.ones(2, 3))


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    first, second = network(), network()
    assert parameter_digest(first) == parameter_digest(second)
    with torch.no_grad():
        second[0].bias[0] += 1e-6
    assert parameter_digest(first) != parameter_digest(second)
    assert parameter_digest(network().bfloat16()) != parameter_digest(network())
