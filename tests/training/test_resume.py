"""A training goes on exactly, and only with what it was begun with."""

from __future__ import annotations

import pytest
import torch

from benchmarks.ranks import cpu_threads
from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_detector
from benchmarks.training.training_record import _compared
from registry import UserError
from registry.weights import read_state_dict
from tests.training.conftest import same
from tests.training.toy import write_pictures


@pytest.mark.parametrize(
    "changes", [{}, {"accumulate": 2}, {"optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}}]
)
def test_resuming_equals_an_uninterrupted_training(
    settings, catalogs, training_set, validation_set, tmp_path, changes
):
    schedule = {"patience": 1, "min_delta": 0.2, "min_lr": 1.0e-9}
    whole = settings(epochs=5, out=tmp_path / "whole", schedule=schedule, **changes)
    train_detector(whole, catalogs, [training_set], [validation_set])
    for epochs in (2, 4, 5):
        part = settings(epochs=epochs, out=tmp_path / "parts", schedule=schedule, **changes)
        torch.rand(epochs)  # the global generator must not matter
        train_detector(part, catalogs, [training_set], [validation_set])
    one, other = newest(tmp_path / "whole"), newest(tmp_path / "parts")
    assert same(one["model"], other["model"])
    assert one["history"] == other["history"]
    assert one["plateau"] == other["plateau"]
    assert one["plateau"]["drops"] > 0
    for key, state in one["optimizer"]["state"].items():
        assert same(
            {k: v for k, v in state.items() if v is not None},
            {k: v for k, v in other["optimizer"]["state"][key].items() if v is not None},
        )
    assert one["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]


def test_starts_from_weights(settings, catalogs, training_set, tmp_path):
    first = train_detector(settings(epochs=1), catalogs, [training_set])
    second = settings(
        detector={"name": "toy", "weights": first.best},
        optimizer={"lr": 1.0e-12},
        out=tmp_path / "second",
        epochs=1,
    )
    train_detector(second, catalogs, [training_set])
    one, other = read_state_dict(first.best), newest(second.out)["model"]
    assert torch.allclose(one["head.1.weight"], other["head.1.weight"])


def test_another_configuration_or_other_pictures_are_not_mixed(settings, catalogs, training_set, tmp_path):
    train_detector(settings(), catalogs, [training_set])
    with pytest.raises(UserError, match="holds a training with other batch_size, seed"):
        train_detector(settings(batch_size=4, seed=1), catalogs, [training_set])
    other = write_pictures(tmp_path / "other", 12, seed=5)
    with pytest.raises(UserError, match="other training pictures"):
        train_detector(settings(), catalogs, [other])


def test_a_training_goes_on_compiled_or_not_as_it_began(settings, catalogs, training_set):
    train_detector(settings(epochs=1), catalogs, [training_set])
    with pytest.raises(UserError, match="holds a training with other compile"):
        train_detector(settings(epochs=2, compile=True), catalogs, [training_set])
    note = newest(settings().out)
    del note["config"]["compile"]
    assert _compared(note)["compile"] is False, "of a version that did not know it"


def test_other_rounding_is_warned_of(settings, catalogs, training_set, caplog, monkeypatch):
    train_detector(settings(epochs=1), catalogs, [training_set])
    assert not caplog.text
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS")
    train_detector(settings(epochs=2), catalogs, [training_set])
    assert "and goes on with ABACUS: last bits may differ" in caplog.text


def test_goes_on_with_as_many_threads_as_it_began_with(settings, catalogs, training_set, caplog):
    own = torch.get_num_threads()
    with cpu_threads(own + 1):
        train_detector(settings(epochs=1), catalogs, [training_set])
    assert torch.get_num_threads() == own
    train_detector(settings(epochs=2), catalogs, [training_set])
    assert newest(settings().out)["threads"] == own + 1
    assert torch.get_num_threads() == own
    assert not caplog.text


def test_a_damaged_checkpoint_is_passed_over(settings, catalogs, training_set, caplog):
    result = train_detector(settings(epochs=3), catalogs, [training_set])
    latest = result.out / "checkpoints/epoch-0003.pth"
    reference = newest(result.out)
    latest.write_bytes(latest.read_bytes()[:1000])
    again = train_detector(settings(epochs=3), catalogs, [training_set])
    assert "epoch-0003.pth" in caplog.text
    assert same(newest(again.out)["model"], reference["model"])
