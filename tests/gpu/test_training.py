"""Training on a GPU, in float32 and in bfloat16: it learns, goes on, and what it learnt scores alike anywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmarks.loading import open_session
from benchmarks.speed import training_step
from benchmarks.training.engine import TrainingModel
from registry.inputs import InputReader
from tests.conftest import Invoke
from tests.gpu.conftest import Run, largest_difference
from tests.gpu.test_scoring import CLOSE
from tests.training.test_detectors import toy_batch

pytestmark = pytest.mark.gpu


@pytest.fixture
def config(tmp_path: Path, device: str) -> Any:
    """Writes the configuration of a short training of `d3qe_mini` into a folder of this name."""

    def write(name: str, **changes: Any) -> Path:
        values = {
            "detector": {"name": "d3qe_mini", "options": {"delta_mode": "paper"}},
            "data": {"sets": ["mini"], "options": {"split": "train"}},
            "validation": {"sets": ["mini"], "options": {"split": "val"}},
            "limit": 16,
            "batch_size": 8,
            "epochs": 2,
            "optimizer": {"lr": 1e-3},
            "device": device,
            "workers": 2,
            "out": str(tmp_path / name),
            **changes,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_goes_on_and_its_weights_score_alike_on_the_cpu(
    precision: str, config: Any, invoke: Invoke, run: Run, cuda: bool, tmp_path: Path
) -> None:
    short = config("parts", precision=precision, encoder_precision=precision)
    done = invoke("train", short)
    if precision != "float32" and not cuda:
        assert (done.code, "precision bfloat16 trains on a GPU only" in done.err) == (2, True)
        return
    assert done.code == 0, done.err

    def history(name: str) -> list[dict[str, float]]:
        found: list[dict[str, float]] = json.loads((tmp_path / name / "history.json").read_text())
        return found

    first = history("parts")
    assert len(first) == 2
    assert all(math.isfinite(value) for epoch in first for value in epoch.values())
    done = invoke("train", short, "--epochs", 3)
    assert done.code == 0, done.err
    assert "epoch 2/3" not in done.err
    assert history("parts")[:2] == first
    done = invoke("train", config("whole", epochs=3, precision=precision, encoder_precision=precision))
    assert done.code == 0, done.err
    losses = [[epoch["train_loss"] for epoch in history(name)] for name in ("parts", "whole")]
    # sums of gradients are not in the same order every time on a GPU
    assert losses[0] == (pytest.approx(losses[1], rel=0.05) if cuda else losses[1])

    weights = ("--weights", f"d3qe_mini={tmp_path / 'parts' / 'best.safetensors'}")
    options = ("--option", "d3qe_mini.delta_mode=paper")
    here, cpu = (
        run(name, "d3qe_mini", *weights, *options, **where)
        for name, where in (("here", {}), ("cpu", {"on": "cpu"}))
    )
    assert largest_difference(here, cpu) < CLOSE
    assert here.rows["logit"].nunique() > 30


def test_gradients_are_those_of_the_cpu(device: str) -> None:
    """Without dropout, whose numbers are drawn by the device."""
    found = {}
    for place in (device, "cpu"):
        session = open_session(detectors=["d3qe_mini"], device=place)
        detector = session.detectors["d3qe_mini"].train()
        for module in detector.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model = TrainingModel(detector, InputReader(detector.inputs, session.encoders)).to(place)
        loss = model(toy_batch(detector, 8, 64).to(torch.device(place)))["loss"]
        loss.backward()
        gradients = [p.grad.flatten().cpu() for p in detector.parameters() if p.grad is not None]
        found[place] = float(loss.detach()), torch.cat(gradients)
    (loss, gradient), (expected, of_cpu) = found[device], found["cpu"]
    assert loss == pytest.approx(expected, rel=1e-4)
    assert of_cpu.norm() > 0
    assert (gradient - of_cpu).norm() < 1e-3 * of_cpu.norm()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_are_measured(
    precision: str, device: str, cuda: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if precision != "float32" and not cuda:
        pytest.skip("mixed precision trains on a GPU only")
    training_step.main("d3qe_mini", batch_size=4, steps=2, precision=precision, device=device)
    lines = [line.rsplit(maxsplit=4) for line in capsys.readouterr().out.splitlines()]
    found = {line[0]: [float(value) for value in line[1:]] for line in lines[-2:]}
    assert list(found) == ["with encoders", "from the store"]
    for seconds, speed, between, most in found.values():
        assert speed == pytest.approx(4 / seconds, rel=0.2)
        assert 0 < between <= most
