"""A training that starts from files which are not there says so, and is not to be repeated as it is."""

from __future__ import annotations

import pytest

from tests.training.conftest import write_config


@pytest.mark.parametrize("key", ["detector", "weights"])
def test_a_missing_weights_file_of_a_training(invoke, tmp_path, training_set, validation_set, key):
    missing = str(tmp_path / "none.pth")
    values = (
        {"detector": {"name": "toy", "weights": missing}}
        if key == "detector"
        else {"weights": {"toy_encoder": missing}}
    )
    config = write_config(tmp_path, training_set, validation_set, **values)

    done = invoke("train", config)

    assert done.code == 2
    assert missing in done.err
    assert ("detector.weights: " if key == "detector" else "weights") in done.err
    assert "run the same command again" not in done.err


def test_a_wrong_option_is_named_as_it_was_written(invoke, tmp_path, training_set, validation_set):
    done = invoke("train", write_config(tmp_path, training_set, validation_set), "--epochs", "0")
    assert (done.code, done.err) == (
        2,
        "d3qe-bench: --epochs: input should be greater than or equal to 1, got 0\n",
    )
