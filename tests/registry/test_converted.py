"""Pickles become safetensors once and are never unpickled again; whatever is wrong with a conversion, it is not read."""

from __future__ import annotations

import argparse
import errno
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from registry import WeightsError, converted, weights
from registry.weights import read_checkpoint, read_state_dict, weights_file

WEIGHT = torch.arange(12.0).reshape(3, 4)


def checkpoint() -> dict[Any, Any]:
    """What published training scripts leave in their files."""
    return {
        "model": OrderedDict(
            {
                "module.fc.weight": WEIGHT,
                "module.tied.weight": WEIGHT,
                "module.overlaps": WEIGHT[1:],
                "module.transposed": WEIGHT.t(),
                "module.half": WEIGHT.bfloat16(),
                "module.parameter": torch.nn.Parameter(WEIGHT[0] + 1),
                "module.empty": torch.zeros(0, 3),
                "module.count": torch.tensor(7),
                "module.mask": torch.tensor([True, False]),
            }
        ),
        "optimizer": {"state": {0: {"exp_avg": WEIGHT + 2}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]},
        "args": argparse.Namespace(name="naïve", seed=None, amp=False, sizes=[224, (1, "x")]),
        "epoch": 3,
        "best": math.inf,
        # names that two places of a file come to, and one that safetensors keeps for itself
        "model.module.fc.weight": WEIGHT + 3,
        "__metadata__": WEIGHT + 4,
    }  # fmt: skip


@pytest.fixture
def pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(converted.FOLDER_VARIABLE, str(tmp_path / "cache"))
    path = tmp_path / "weights" / "w.pth"
    path.parent.mkdir()
    torch.save(checkpoint(), path)
    return path


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.converted.safetensors")


def same(one: Any, other: Any) -> bool:
    """Types, order and values, bit for bit."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and one.equal(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, argparse.Namespace):
        return same(vars(one), vars(other))
    return type(one) is type(other) and one == other


def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("unpickled again"))


def test_a_checkpoint_is_unpickled_once_and_comes_back_as_it_was(
    pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = weights_file(pickled)
    first = read_checkpoint(pickled)
    no_pickle(monkeypatch)
    second = read_checkpoint(pickled)
    assert same(checkpoint(), first)
    assert same(checkpoint(), second)
    assert second["model"]["module.tied.weight"] is second["model"]["module.fc.weight"], (
        "one tensor as before"
    )
    assert set(read_state_dict(pickled)) == {name.removeprefix("module.") for name in checkpoint()["model"]}
    assert weights_file(pickled) == before, "the identity is the published file's"
    with safe_open(beside(pickled), "pt") as stream:
        assert stream.metadata()["d3qe_bench.source"] == before.sha256
    assert beside(pickled).stat().st_mode == pickled.stat().st_mode, "whoever reads the one reads the other"


def test_a_bare_tensor_and_a_file_without_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FreDect's `dct_mean`; a file of somebody else's that is called like a conversion is left alone."""
    torch.save(WEIGHT, tmp_path / "dct_mean")
    save_file({"mine": WEIGHT}, tmp_path / "dct_mean.safetensors")
    read_checkpoint(tmp_path / "dct_mean")
    no_pickle(monkeypatch)
    assert same(read_checkpoint(tmp_path / "dct_mean"), WEIGHT)
    assert list(load_file(tmp_path / "dct_mean.safetensors")) == ["mine"]


def test_a_conversion_of_another_file_is_made_anew(pickled: Path) -> None:
    read_checkpoint(pickled)
    torch.save({"model": {"fc.weight": -WEIGHT}}, pickled)
    assert read_state_dict(pickled)["fc.weight"].equal(-WEIGHT)
    with safe_open(beside(pickled), "pt") as stream:
        assert stream.metadata()["d3qe_bench.source"] == weights_file(pickled).sha256


def test_no_changed_byte_of_a_conversion_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second byte of a small one, changed: the answer is the pickle's, and the conversion is whole again."""
    path = tmp_path / "w.pth"
    content = {"model": {"a": WEIGHT[0], "b": WEIGHT[1]}, "epoch": 3}
    torch.save(content, path)
    read_checkpoint(path)
    good = beside(path).read_bytes()
    monkeypatch.setattr(weights, "_unpickle", lambda path: content)
    for position in range(0, len(good), 2):
        bad = bytearray(good)
        bad[position] ^= 1 << position // 2 % 8
        beside(path).write_bytes(bad)
        assert same(read_checkpoint(path), content), position
    for cut in (0, 7, len(good) // 2, len(good) - 1):
        beside(path).write_bytes(good[:cut])
        assert same(read_checkpoint(path), content), cut
    monkeypatch.setattr(weights, "_unpickle", lambda path: pytest.fail("unpickled again"))
    assert same(read_checkpoint(path), content), "the last one was mended"


def test_a_folder_that_cannot_be_written_leaves_it_to_the_users_cache(
    pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(tensors: Any, target: Path, **options: Any) -> None:
        if pickled.parent in Path(target).parents:
            raise OSError(errno.EROFS, "Read-only file system")
        save_file(tensors, target, **options)

    monkeypatch.setattr("safetensors.torch.save_file", refuse)
    assert same(read_checkpoint(pickled), checkpoint())
    assert [path.name for path in pickled.parent.iterdir()] == ["w.pth"]
    assert [path.stem for path in (tmp_path / "cache").iterdir()] == [weights_file(pickled).sha256]
    no_pickle(monkeypatch)
    assert same(read_checkpoint(pickled), checkpoint())


def test_a_disk_without_room_costs_no_more_than_the_conversion(
    pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    assert same(read_checkpoint(pickled), checkpoint())
    assert [path.name for path in pickled.parent.iterdir()] == ["w.pth"]


@pytest.mark.parametrize(
    "odd",
    [{"names": {"a", "b"}}, {"sparse": WEIGHT.to_sparse()}, {"complex": WEIGHT + 1j}, {(1, 2): WEIGHT}],
    ids=["set", "sparse", "complex", "key"],
)
def test_what_safetensors_cannot_hold_stays_a_pickle(tmp_path: Path, odd: dict[Any, Any]) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": {"a": WEIGHT}, **odd}, path)
    for _ in range(2):
        found = read_checkpoint(path)
        assert found["model"]["a"].equal(WEIGHT)
        assert set(found) == {"model", *odd}
    assert not beside(path).exists()


def test_a_checkpoint_that_holds_itself(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": WEIGHT}
    content["self"] = content
    torch.save(content, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth")["a"].equal(WEIGHT)


def test_a_file_that_changes_while_it_is_read_is_refused(
    pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = weights._unpickle

    def replaced(path: Path) -> Any:
        torch.save({"model": {"fc.weight": -WEIGHT}}, path)
        return read(path)

    monkeypatch.setattr(weights, "_unpickle", replaced)
    with pytest.raises(WeightsError, match="changed while it was read"):
        read_checkpoint(pickled)
    assert not beside(pickled).exists()


def test_a_training_keeps_its_own_checkpoints_as_they_are(pickled: Path) -> None:
    assert same(read_checkpoint(pickled, convert=False), checkpoint())
    assert not beside(pickled).exists()
