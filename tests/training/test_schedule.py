"""The plateau schedule against the rule it follows, worked out by hand, and the optimiser of mixed precision."""

from __future__ import annotations

import warnings

import pytest
import torch
from mmengine.optim import AmpOptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import nn

from benchmarks.training.schedule import Plateau, build_optimizer
from benchmarks.training.settings import ScheduleSettings


def run(values, lr=8.0e-5, monitor="acc", **changes):
    plateau = Plateau(ScheduleSettings(monitor=monitor, **changes))
    rates = []
    for epoch, value in enumerate(values, 1):
        lr = plateau.step({monitor: value}, epoch, lr)
        rates.append(lr)
        if plateau.stopped:
            break
    return plateau, rates


def test_drops_after_patience_and_stops_below_the_floor():
    plateau, rates = run([0.5] * 30, patience=5)
    # one reference epoch and five without improvement, twice: 8e-5, 8e-6, then 8e-7 < 1e-6
    assert len(rates) == 12
    assert rates[4] == 8.0e-5
    assert rates[5] == pytest.approx(8.0e-6)
    assert plateau.stopped
    assert plateau.drops == 2


def test_a_gain_of_less_than_min_delta_is_none():
    _, rates = run([0.5, 0.5005, 0.5009, 0.50095], patience=3)
    assert rates[-1] == pytest.approx(8.0e-6)
    _, rates = run([0.5, 0.5005, 0.501, 0.5015], patience=3)
    assert rates[-1] == 8.0e-5


def test_the_best_epoch_is_over_the_whole_training():
    plateau, _ = run([0.6, 0.9, 0.5, 0.5, 0.5, 0.7], patience=2)
    assert (plateau.best, plateau.best_epoch) == (0.9, 2)


def test_a_loss_improves_downwards():
    plateau, rates = run([0.9, 0.8, 0.7, 0.6], monitor="loss", patience=1)
    assert rates == [8.0e-5] * 4
    assert plateau.best_epoch == 4


def test_its_state_goes_on_where_it_stopped():
    values = [0.5, 0.6, 0.6, 0.6, 0.61, 0.6, 0.6, 0.6]
    _, whole = run(values, patience=2, min_lr=1.0e-9)
    first = Plateau(ScheduleSettings(patience=2, min_lr=1.0e-9))
    lr = 8.0e-5
    for epoch, value in enumerate(values[:4], 1):
        lr = first.step({"acc": value}, epoch, lr)
    second = Plateau(ScheduleSettings(patience=2, min_lr=1.0e-9))
    second.load(first.state())
    rates = []
    for epoch, value in enumerate(values[4:], 5):
        lr = second.step({"acc": value}, epoch, lr)
        rates.append(lr)
    assert rates == whole[4:]


def test_mixed_precision_is_made_without_a_warning(settings, monkeypatch):
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    asked = settings(precision="bfloat16", accumulate=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.cuda.amp.GradScaler is enabled, but CUDA is not available")
        made = build_optimizer(asked, nn.Linear(2, 1), torch.device("cuda"))
    assert isinstance(made, AmpOptimWrapper)
    assert made.cast_dtype == torch.bfloat16
    assert len(made.optimizer.param_groups[0]["params"]) == 2
