"""Trainings of one detector by several seeds, from the command to the table that shows them as one."""

from __future__ import annotations

import csv
import json
from statistics import fmean, stdev

import pytest
import yaml
from safetensors.torch import load_file

from benchmarks.training.checkpoints import Checkpoints
from benchmarks.training.settings import each_seed
from benchmarks.training.trainer import read_training, train
from tests.training.conftest import TOY_PLUGIN, same, write_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory, training_set, validation_set):
    """Folder of three trainings of `plain`, by the seeds 0, 1 and 7, with its configuration."""
    from typer.testing import CliRunner

    from benchmarks.cli import app

    folder = tmp_path_factory.mktemp("seeds")
    config = write_config(folder, training_set, validation_set, epochs=1, detector={"name": "plain"})
    done = CliRunner().invoke(app, ["train", str(config), "--seeds", "0,1,7"])
    assert done.exit_code == 0, done.output
    return folder


def weights(folder, seed):
    return load_file(folder / f"out/seed-{seed}/best.safetensors")


def test_every_seed_is_a_training_of_its_own_and_resumes(invoke, tmp_path, trained):
    config = trained / "config.yaml"
    alone = invoke("train", config, "--seed", 1, "--frozen-seed", 42, "--out", tmp_path / "alone")
    assert alone.code == 0, alone.err
    assert same(weights(trained, 1), load_file(tmp_path / "alone/best.safetensors"))
    assert not same(weights(trained, 1), weights(trained, 0))
    recorded = json.loads((trained / "out/seed-7/train.json").read_text())["config"]
    assert (recorded["seed"], recorded["seeds"], recorded["frozen_seed"]) == (7, [], 42)
    again = invoke("train", config, "--seeds", "7,0")
    assert again.code == 0, again.err
    assert "epoch 1/1" not in again.err
    assert again.err.index("seed 7: 1 epochs") < again.err.index("seed 0: 1 epochs")


def test_seeds_share_the_features(invoke, tmp_path, training_set, validation_set):
    """Untrained encoders and fixed versions of the pictures are those of `seed`, whatever the training's own."""
    config = write_config(
        tmp_path, training_set, validation_set, epochs=1, detector={"name": "probe"}, seeds=[1, 2],
        features=str(tmp_path / "cache"), augmentation={"copies": 2},
    )  # fmt: skip
    assert invoke("train", config).code == 0
    files = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(files) == 1 + 2  # rows, and tables of training and validation pictures
    assert invoke("train", config, "--seeds", "3").code == 0
    assert sorted((tmp_path / "cache").rglob("*.safetensors")) == files
    identities = [
        json.loads((tmp_path / f"out/seed-{seed}/train.json").read_text())["weights"]["encoders"]
        for seed in (1, 2, 3)
    ]
    assert identities == [{"toy_family/one": "untrained, seed 42"}] * 3


def test_a_run_shows_them_as_one(invoke, tmp_path, trained, training_set, validation_set):
    request = [
        "run", "--data", f"a={training_set.root}", "--data", f"b={validation_set.root}",
        "--detectors", "whole=plain,one=plain,dot=plain",
        "--weights", f"whole={trained / 'out'}", "--weights", f"one={trained / 'out/seed-1/best.safetensors'}",
        "--weights", f"dot={trained / 'out/seed-0'}",
        "--plugin", TOY_PLUGIN, "--bootstrap", 100, "--out", tmp_path / "run", "--device", "cpu",
    ]  # fmt: skip
    done = invoke(*request)
    assert done.code == 0, done.err
    assert "whole (seeds" in done.out
    record = json.loads((tmp_path / "run/run.json").read_text())["detectors"]
    assert {name: (one.get("group"), one.get("seed")) for name, one in record.items()} == {
        "whole seed 0": ("whole", 0), "whole seed 1": ("whole", 1), "whole seed 7": ("whole", 7),
        "one": (None, None), "dot": (None, None),
    }  # fmt: skip
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["over_seeds"]["groups"] == {"whole": {str(s): f"whole seed {s}" for s in (0, 1, 7)}}
    for place in ("cells", "means"):
        for together in metrics["over_seeds"][place]:
            key = "dataset" if place == "cells" else "scope"
            own = [
                one["metrics"]["auroc"]
                for one in metrics[place]
                if one["detector"].startswith("whole") and one[key] == together[key]
            ]
            assert len(own) == 3
            assert together["metrics"]["auroc"] == pytest.approx(fmean(own))
            assert together["spread"]["auroc"]["standard_deviation"] == pytest.approx(stdev(own))
            assert [together["spread"]["auroc"][name] for name in ("lowest", "highest")] == [
                min(own),
                max(own),
            ]

    assert invoke("report", tmp_path / "run").code == 0
    text = (tmp_path / "run/leaderboard.md").read_text()
    mean = next(one for one in metrics["over_seeds"]["means"] if one["scope"] == "all")
    ap, spread = mean["metrics"]["ap"], mean["spread"]["ap"]
    shown = f"± {spread['standard_deviation']:.4f} ({spread['lowest']:.4f} to {spread['highest']:.4f})"
    assert f"{ap:.4f}" in text
    assert shown in text
    assert "| whole (seeds 0, 1, 7) |" in text
    assert "whole seed" not in text
    assert "± one, dot: one training, so no spread over seeds" in text
    rows = list(csv.DictReader((tmp_path / "run/leaderboard.csv").read_text().splitlines()))
    assert {row["seeds"] for row in rows if row["detector"] == "whole"} == {"0 1 7"}
    pairs = list(csv.DictReader((tmp_path / "run/leaderboard.comparisons.csv").read_text().splitlines()))
    assert {name for row in pairs for name in (row["first"], row["second"])} == {"whole", "one", "dot"}
    assert {row["test"] for row in pairs if "whole" in (row["first"], row["second"])} == {
        "seeds and pictures"
    }
    assert {row["test"] for row in pairs} == {"seeds and pictures", "DeLong", "McNemar"}
    assert "whole (seeds 0, 1, 7)" in (tmp_path / "run/leaderboard.tex").read_text()

    again = invoke(*request)
    assert again.code == 0, again.err
    assert json.loads((tmp_path / "run/metrics.json").read_text()) == metrics


def test_one_seed_is_one_training(invoke, tmp_path, trained, training_set):
    only = tmp_path / "only/seed-7"
    only.mkdir(parents=True)
    (only / "best.safetensors").write_bytes((trained / "out/seed-7/best.safetensors").read_bytes())
    done = invoke(
        "run", "--data", training_set.root, "--detectors", "plain", "--weights", f"plain={tmp_path / 'only'}",
        "--plugin", TOY_PLUGIN, "--bootstrap", 0, "--out", tmp_path / "run", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "plain (seed" in done.out
    assert "±" not in done.out


def test_a_training_that_was_cut_off_is_not_one_more_seed(invoke, tmp_path, training_set, validation_set):
    """Its best epoch so far must not enter a mean over seeds; going on from there finishes it."""
    config = write_config(tmp_path, training_set, validation_set, epochs=2, detector={"name": "plain"})
    run = ["run", "--data", training_set.root, "--plugin", TOY_PLUGIN, "--detectors", "plain"]
    run += ["--bootstrap", 0, "--device", "cpu", "--out", tmp_path / "run"]
    (training,) = each_seed(read_training(config, {"seeds": [3]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "_drop_old", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            train(training)
    for folder in ("out", "out/seed-3"):
        refused = invoke(*run, "--weights", f"plain={tmp_path / folder}")
        assert refused.code == 2
        assert f"the training in {tmp_path / 'out/seed-3'} is not finished" in refused.err
    assert invoke("train", config, "--seeds", "3").code == 0
    done = invoke(*run, "--weights", f"plain={tmp_path / 'out'}")
    assert done.code == 0, done.err


def _cut_off(checkpoints):
    raise KeyboardInterrupt


def test_wrong_requests(invoke, tmp_path, trained, training_set):
    config = trained / "config.yaml"
    twice = invoke("train", config, "--seeds", "1,1")
    assert (twice.code, "--seeds: 1 stands twice" in twice.err) == (2, True), twice.err
    word = invoke("train", config, "--seeds", "one")
    assert (word.code, "--seeds.0: input should be a valid integer, got 'one'" in word.err) == (2, True), (
        word.err
    )
    run = ["run", "--data", training_set.root, "--plugin", TOY_PLUGIN, "--out", tmp_path / "run"]
    empty = invoke(*run, "--detectors", "plain", "--weights", f"plain={tmp_path}")
    assert empty.code == 2
    assert f"plain: {tmp_path} holds no finished training" in empty.err
    (tmp_path / "mixed/seed-0").mkdir(parents=True)
    for path in ("best.safetensors", "seed-0/best.safetensors"):
        (tmp_path / "mixed" / path).touch()
    mixed = invoke(*run, "--detectors", "plain", "--weights", f"plain={tmp_path / 'mixed'}")
    assert (mixed.code, "trainings by seeds and best.safetensors of another one" in mixed.err) == (2, True)
    request = tmp_path / "run.yaml"
    group = {
        "name": "plain",
        "group": "whole",
        "seed": 0,
        "weights": str(trained / "out/seed-0/best.safetensors"),
    }
    for detectors, said in (
        ([{**group, "label": "a"}, {**group, "label": "b"}], "group 'whole' has two trainings by seed 0"),
        (
            [{**group, "label": "a"}, {"name": "plain", "label": "whole"}],
            "a detector and a group of trainings are both",
        ),
        ([{**group, "seed": None}], "group and seed belong together"),
    ):
        request.write_text(yaml.safe_dump({"detectors": detectors, "data": [str(training_set.root)]}))
        refused = invoke("run", request, "--plugin", TOY_PLUGIN, "--out", tmp_path / "run")
        assert (refused.code, said in refused.err) == (2, True), refused.err
