"""One training on the toy detector: it learns, resumes exactly, and says why it stopped."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.ranks import cpu_threads
from benchmarks.training.checkpoints import newest
from benchmarks.training.settings import TrainSettings
from benchmarks.training.trainer import train, train_detector
from registry import TestSet, UserError
from registry.weights import read_state_dict
from tests.training.conftest import TOY_PLUGIN
from tests.training.toy import Toy, write_pictures


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_learns_and_exports(settings, catalogs, training_set, validation_set):
    asked = settings(epochs=12, augmentation={"blur": 0, "jpeg": 0}, schedule={"monitor": "ap"})
    result = train_detector(asked, catalogs, [training_set], [validation_set])
    assert result.complete
    assert [entry["epoch"] for entry in result.history] == list(range(1, 13))
    assert result.history[-1]["train_loss"] < 0.7 * result.history[0]["train_loss"]
    assert max(entry["ap"] for entry in result.history) > 0.9
    assert json.loads((result.out / "history.json").read_text()) == result.history
    assert result.best == result.out / "best.safetensors"
    detector = Toy()
    detector.load_weights(result.best)
    best = max(result.history, key=lambda entry: entry["ap"])
    assert int(detector.steps) == 3 * best["epoch"]
    note = json.loads((result.out / "best.json").read_text())["training"]
    assert (note["detector"]["name"], note["epoch"], note["ap"]) == ("toy", best["epoch"], best["ap"])


def test_checkpoints_are_plain_kept_and_without_encoders(settings, catalogs, training_set, validation_set):
    result = train_detector(settings(epochs=5), catalogs, [training_set], [validation_set])
    files = sorted((result.out / "checkpoints").iterdir())
    best = sorted(range(5), key=lambda i: -result.history[i]["acc"])[:2]
    assert {file.name for file in files} == {f"epoch-{e:04d}.pth" for e in {4, 5, *(i + 1 for i in best)}}
    for file in files:
        found = torch.load(file, weights_only=True)
        assert set(found["model"]) == set(Toy().state_dict())
        assert found["config"]["detector"]["name"] == "toy"


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


def test_workers_do_not_change_the_outcome(settings, catalogs, training_set, validation_set, tmp_path):
    runs = []
    for workers in (0, 2):
        asked = settings(out=tmp_path / str(workers), workers=workers)
        train_detector(asked, catalogs, [training_set], [validation_set])
        runs.append(newest(asked.out))
    assert same(runs[0]["model"], runs[1]["model"])


def test_accumulated_parts_add_up_to_the_batch(settings, catalogs, training_set, tmp_path):
    """Without batch statistics and dropout two halves give the gradient of the whole."""
    runs = []
    for accumulate in (1, 2):
        asked = settings(
            detector={"name": "toy", "options": {"dropout": 0.0}},
            out=tmp_path / str(accumulate),
            accumulate=accumulate,
            epochs=1,
        )
        train_detector(asked, catalogs, [training_set])
        runs.append(newest(asked.out))
    assert runs[0]["history"][0]["train_loss"] == pytest.approx(runs[1]["history"][0]["train_loss"], abs=0.05)
    assert torch.equal(runs[0]["model"]["counts"], runs[1]["model"]["counts"])
    steps = [int(run["optimizer"]["state"][0]["step"]) for run in runs]
    assert steps == [3, 3]
    assert [int(run["model"]["steps"]) for run in runs] == [3, 6]


def test_counts_are_those_of_the_pictures_seen(settings, catalogs, training_set):
    result = train_detector(settings(epochs=2), catalogs, [training_set])
    counts = newest(result.out)["model"]["counts"]
    codes_per_picture = 7 * 7
    assert counts.sum(1).tolist() == [2 * 12 * codes_per_picture] * 2


def test_drops_the_rate_and_stops_early(settings, catalogs, training_set, validation_set):
    schedule = {"patience": 1, "min_delta": 1.0, "min_delta_after_drop": 1.0, "min_lr": 0.0005}
    result = train_detector(
        settings(epochs=50, schedule=schedule), catalogs, [training_set], [validation_set]
    )
    assert result.complete
    assert [round(entry["lr"], 9) for entry in result.history] == [0.01, 0.01, 0.001, 0.001]
    again = train_detector(settings(epochs=50, schedule=schedule), catalogs, [training_set], [validation_set])
    assert again.history == result.history


def test_writes_tensorboard_curves(settings, catalogs, training_set, validation_set):
    result = train_detector(settings(), catalogs, [training_set], [validation_set])
    (folder,) = {file.parent for file in result.out.rglob("events.out.*")}
    events = EventAccumulator(str(folder)).Reload()
    assert {"train/loss", "train/lr", "validation/acc", "validation/ap"} <= set(events.Tags()["scalars"])
    assert [event.value for event in events.Scalars("validation/acc")] == [
        pytest.approx(entry["acc"]) for entry in result.history
    ]


def test_a_nan_loss_names_the_batch_and_keeps_the_last_checkpoint(settings, catalogs, training_set):
    asked = settings(detector={"name": "toy", "options": {"explode_at": 4}}, epochs=4)
    result = train_detector(asked, catalogs, [training_set])
    assert not result.complete
    assert "loss nan in epoch 2" in result.reason
    assert result.reason.count(str(training_set.root)) == 8
    found = newest(result.out)
    assert found["epoch"] == 1
    assert all(v.isfinite().all() for v in found["model"].values())
    detector = Toy()
    detector.load_weights(result.best)


def test_a_training_set_of_one_class_is_refused(settings, catalogs, training_set, validation_set):
    only_real = TestSet(
        "x", training_set.root, "toy", "AR", tuple(p for p in training_set.pictures if not p.label)
    )
    with pytest.raises(UserError, match=r"training pictures are of one class \(12 real, 0 generated\)"):
        train_detector(settings(), catalogs, [only_real])
    with pytest.raises(UserError, match="validation pictures are of one class"):
        train_detector(settings(), catalogs, [training_set], [only_real])


def test_unreadable_pictures_stop_or_are_left_out_and_are_listed(settings, catalogs, tmp_path):
    broken = write_pictures(tmp_path / "set", 12)
    (broken.root / "0_real/003.png").write_bytes(b"not a picture")
    whole = (broken.root / "1_fake/004.png").read_bytes()
    (broken.root / "1_fake/004.png").write_bytes(whole[:200])
    with pytest.raises(UserError, match="2 unreadable pictures, listed in"):
        train_detector(settings(), catalogs, [broken])
    listed = (tmp_path / "out/unreadable.csv").read_text()
    assert '0_real/003.png,0,"not a picture' in listed
    assert "1_fake/004.png,1," in listed
    result = train_detector(settings(unreadable="leave_out"), catalogs, [broken])
    assert result.complete
    assert newest(result.out)["trained_on"]["real"] == 11


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_lost_while_training_ends_it_with_its_name(settings, catalogs, tmp_path, workers):
    pictures = write_pictures(tmp_path / "set", 12)
    (pictures.root / "0_real/000.png").write_bytes(b"")
    result = train_detector(settings(check_pictures=False, workers=workers), catalogs, [pictures])
    lost = pictures.root / "0_real/000.png"
    assert result.reason == f"a picture became unreadable while training: {lost}: empty file (0 bytes)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector": {"name": "frozen"}}, "'frozen' has no trainable parameters"),
        ({"detector": {"name": "toi"}}, "unknown detector 'toi', did you mean 'toy'"),
        (
            {"detector": {"name": "own_size"}},
            "^pictures of a batch have different shapes .* protocol to uniform",
        ),
        ({"detector": {"name": "own_size"}, "workers": 1}, "^pictures of a batch have different shapes"),
        ({"batch_size": 100}, "24 training pictures do not fill one batch of 100"),
        ({"accumulate": 3}, "batch_size 8 cannot be shared out evenly"),
        ({"accumulate": 8}, "batch normalisation needs at least 2 pictures"),
        ({"precision": "float16"}, "trains on a GPU only"),
        ({"allow_untrained": False}, "encoder 'toy_encoder' has no weights"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, catalogs, training_set, changes, message):
    with pytest.raises(UserError, match=message):
        train_detector(settings(**changes), catalogs, [training_set])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": {}}, "unknown key 'optimiser', did you mean 'optimizer'"),
        ({"optimizer": {"learning_rate": 0.1}}, "unknown key 'optimizer.learning_rate'"),
        ({"optimizer": {"lr": "1e-3"}}, "optimizer.lr: input should be a valid number, got '1e-3'"),
        ({"feature_cache": "cache"}, "augmentation.copies"),
        ({"keep": 1}, "greater than or equal to 2"),
    ],
)
def test_a_wrong_configuration_is_refused(settings, changes, message):
    with pytest.raises(UserError, match=message):
        settings(**changes)


def test_another_configuration_or_other_pictures_are_not_mixed(settings, catalogs, training_set, tmp_path):
    train_detector(settings(), catalogs, [training_set])
    with pytest.raises(UserError, match="holds a training with other batch_size, seed"):
        train_detector(settings(batch_size=4, seed=1), catalogs, [training_set])
    other = write_pictures(tmp_path / "other", 12, seed=5)
    with pytest.raises(UserError, match="other training pictures"):
        train_detector(settings(), catalogs, [other])


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


def test_pictures_of_several_sets(settings, catalogs, training_set, validation_set):
    result = train_detector(settings(), catalogs, [training_set, validation_set])
    assert newest(result.out)["trained_on"]["fake"] == 18


def test_each_encoder_runs_once_per_batch(settings, catalogs, training_set):
    encoder = catalogs.encoders.entry("toy_encoder").load()
    encoder.calls = 0
    train_detector(settings(epochs=1), catalogs, [training_set])
    assert encoder.calls == 3


def test_fair_views_are_seen_and_are_other_pictures(settings, catalogs, training_set):
    seen: list[Image.Image] = []

    def prepare(picture):
        seen.append(picture)
        return Image.new("RGB", picture.size)

    black = dataclasses.replace(training_set, prepare=prepare)
    train_detector(settings(detector={"name": "plain"}, epochs=1), catalogs, [black])
    # decoded once to check them and once in the epoch
    assert len(seen) == 2 * 24
    reference = settings(detector={"name": "plain"}, epochs=1, out=settings().out / "as_they_are")
    train_detector(reference, catalogs, [training_set])
    black_state, other = newest(settings().out), newest(reference.out)
    assert black_state["trained_on"]["fingerprint"] != other["trained_on"]["fingerprint"]
    name = "stem.1.running_var"
    # black pictures: a convolution of nothing varies at the borders alone, of which there are none
    assert black_state["model"][name].max() < other["model"][name].min()


def test_a_fair_view_of_the_configuration(settings, catalogs, training_set, tmp_path):
    values = {
        **settings(epochs=1, fair=["size"]).model_dump(mode="json"),
        "data": {"sets": [str(training_set.root)]},
        "plugins": [str(TOY_PLUGIN)],
    }
    result = train(TrainSettings(**values))
    assert result.complete
    with pytest.raises(UserError, match="fair view 'sise' does not exist, did you mean 'size'"):
        train(TrainSettings(**{**values, "fair": ["sise"]}))
