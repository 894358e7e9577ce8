"""One training on the toy detector: it learns, exports, counts, and sees each picture as it should."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.training.checkpoints import newest
from benchmarks.training.settings import TrainSettings
from benchmarks.training.trainer import train, train_detector
from registry import UserError
from tests.training.conftest import TOY_PLUGIN, same
from tests.training.toy import Toy


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


def test_workers_do_not_change_the_outcome(settings, catalogs, training_set, validation_set, tmp_path):
    runs = []
    for workers in (0, 2):
        asked = settings(out=tmp_path / str(workers), workers=workers)
        train_detector(asked, catalogs, [training_set], [validation_set])
        runs.append(newest(asked.out))
    assert same(runs[0]["model"], runs[1]["model"])
    # left to the garbage collector, each would be waited for
    assert not [process for process in multiprocessing.active_children() if process.daemon]


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
