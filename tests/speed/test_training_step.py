"""A step of training, measured, is the trainer's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.ranks import joined
from benchmarks.speed import training_step
from benchmarks.speed.planned_training import planned_training
from registry import UserError


def test_features_from_the_store_are_those_that_encoders_give_and_steps_learn(tmp_path: Path) -> None:
    with joined("none", "cpu") as processes:
        training = planned_training(tmp_path, processes, "d3qe_mini", options={}, pictures=4, batch_size=4)
    (plain,), (stored,) = training.without, training.with_store
    assert plain.indices.tolist() == stored.indices.tolist()
    here, there = (training.model.reader(batch.tensors) for batch in (plain, stored))
    for name, value in here.items():
        torch.testing.assert_close(there[name], value)
    before = [one.clone() for one in training.model.detector.parameters()]
    encoders = training.model.reader.encoders
    passes = {name: one.calls for name, one in encoders.passes.items()}
    training.step(stored)
    assert {name: one.calls for name, one in encoders.passes.items()} == passes
    assert any(
        (one != other).any() for one, other in zip(training.model.detector.parameters(), before, strict=True)
    )
    training.step(plain)
    assert all(one.calls == passes[name] + 1 for name, one in encoders.passes.items())


def test_the_script_prints_time_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    training_step.main("d3qe_mini", batch_size=2, steps=2, device="cpu")
    lines = [line.rsplit(maxsplit=4) for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[-2:]] == ["with encoders", "from the store"]
    for _, seconds, speed, between, most in lines[-2:]:
        assert float(speed) == pytest.approx(2 / float(seconds), rel=0.2)
        assert 0 < float(between) <= float(most)
    with pytest.raises(UserError, match="precision bfloat16 trains on a GPU only"):
        training_step.main("d3qe_mini", batch_size=2, precision="bfloat16", device="cpu")


def test_memory_is_that_of_what_is_done() -> None:
    kept: list[torch.Tensor] = []
    before, most = training_step.memory_of(lambda: kept.append(torch.ones(50_000_000)), torch.device("cpu"))
    if before is None or most is None:
        pytest.skip("this system does not tell")
    assert 180e6 < most - before < 260e6
