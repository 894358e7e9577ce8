"""`--micro-batch`: what was measured is measured once, stands in run.json and holds for whoever goes on with the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.runner import micro_batches
from benchmarks.runner.micro_batches import fastest
from tests.pictures import make_test_sets

ENCODER = "mini-image-encoder"
DETECTOR = "{name: univfd, options: {size: 32, resize: 40, clip: mini-image-encoder, features: 608}}"


@pytest.fixture
def run(invoke, tmp_path):
    data, config = make_test_sets(tmp_path / "data"), tmp_path / "config.yaml"
    config.write_text(f"allow_untrained: true\nbootstrap: 0\nbatch_size: 8\ndetectors: [{DETECTOR}]\n")

    def call(*more: object):
        done = invoke("run", config, "--data", data, "--out", tmp_path / "run", *more)
        return done, json.loads((tmp_path / "run" / "run.json").read_text())["micro_batches"]

    return call


def test_what_the_probe_chose_is_recorded_and_taken_again(run, monkeypatch, tmp_path: Path):
    tried: list[int] = []

    def choose(size: int):
        def found(seconds, sizes):
            tried.extend(sizes)
            assert seconds(2) > 0
            return size

        return found

    monkeypatch.setattr(micro_batches, "fastest", choose(4))
    done, chosen = run("--micro-batch", "probe", "--generators", "VAR")
    assert done.code == 0, done.err
    assert chosen == {ENCODER: 4}
    assert sorted(tried) == [1, 2, 4, 8]
    assert "pictures in" in done.err

    monkeypatch.setattr(micro_batches, "fastest", choose(1))
    done, chosen = run("--micro-batch", "probe")
    assert (done.code, chosen, len(tried)) == (0, {ENCODER: 4}, 4), "another measurement would be other bits"
    for other, now in (("2", "2"), ("default", "its batch")):
        done, chosen = run("--micro-batch", other)
        assert (done.code, chosen) == (2, {ENCODER: 4})
        assert f"its pictures went through {ENCODER} by 4, now by {now} (--micro-batch)" in done.err
    assert run("--micro-batch", "4")[0].code == 0


def test_without_a_probe_the_batch_is_recorded(run):
    assert run()[1] == {ENCODER: None}


@pytest.mark.parametrize("wrong", ["0", "-1", "fast"])
def test_another_word_or_number_is_refused(invoke, wrong: str, tmp_path: Path):
    done = invoke("run", "--micro-batch", wrong, "--out", tmp_path / "run")
    assert done.code == 2
    assert "default, probe or a number from 1" in done.err
    done = invoke("predict", "--micro-batch", "probe", "--detectors", "cnnspot_mini", tmp_path)
    assert done.code == 2
    assert "default or a number from 1" in done.err


@pytest.mark.parametrize(
    ("of_a_call", "best", "tried"),
    [
        ({1: 1.0, 2: 1.5, 4: 4.0, 16: 20.0}, 2, {1, 2, 4}),
        ({1: 1.0, 2: 1.99, 4: 3.95, 16: 15.9}, 1, {1, 2, 4}),
        ({1: 0.1, 2: 0.1, 4: 0.1, 16: 0.1}, 16, {1, 2, 4, 16}),
    ],
)
def test_the_fastest_per_picture_wins_if_it_is_worth_its_memory(of_a_call, best, tried):
    seen = set()

    def seconds(size: int) -> float:
        seen.add(size)
        return of_a_call[size]

    assert (fastest(seconds, [16, 1, 2, 4]), seen) == (best, tried)
