"""What cannot be trained, and trainings that end early: refused or ended in one line that names the cause."""

from __future__ import annotations

import pytest
import torch

from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_detector
from registry import TestSet, UserError
from tests.training.toy import Toy, write_pictures


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
        ({"features": "cache"}, "augmentation.copies"),
        ({"keep": 1}, "greater than or equal to 2"),
    ],
)
def test_a_wrong_configuration_is_refused(settings, changes, message):
    with pytest.raises(UserError, match=message):
        settings(**changes)


def test_too_little_memory_ends_a_training_with_what_helps(
    settings, catalogs, training_set, monkeypatch: pytest.MonkeyPatch
):
    from benchmarks.training.engine import TrainingModel

    def full(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(TrainingModel, "forward", full)
    result = train_detector(settings(batch_size=8, accumulate=2), catalogs, [training_set])
    assert result.reason == (
        "cpu has too little memory for 4 pictures at once, in epoch 1: raise accumulate or lower batch_size, in another `out`"
    )


def test_a_detector_that_returns_no_logits_is_refused(settings, catalogs, training_set, monkeypatch):
    toy = catalogs.detectors.entry("toy").load()
    monkeypatch.setattr(toy, "forward", lambda self, inputs: inputs["picture"].mean((1, 2, 3))[:, None])
    with pytest.raises(
        UserError, match=r"Toy returned logits of shape \(8, 1\) for 8 pictures, expected \(8,\)"
    ):
        train_detector(settings(), catalogs, [training_set])
