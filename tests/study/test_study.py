"""A small study from configuration to matrices."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.study.matrix import Origin, build_matrices
from benchmarks.study.render import render
from registry import UserError
from registry.encoder import seeded_init
from registry.weights import sha256
from tests.training.conftest import TOY_PLUGIN
from tests.training.toy import ToyFamily, write_pictures


def cell(detector, dataset, paradigm, ap, status="complete", perturbation="none"):
    metrics = {"ap": ap}
    return {
        "detector": detector, "dataset": dataset, "paradigm": paradigm, "status": status,
        "perturbation": perturbation, "metrics": metrics,
    }  # fmt: skip


METRICS = {
    "cells": [
        cell("a on AR", "VAR", "AR", 0.9),
        cell("a on AR", "RAR", "AR", 0.8),
        cell("a on AR", "BigGAN", "GAN", 0.6),
        cell("a on AR", "BigGAN", "GAN", 0.1, perturbation="jpeg:50"),
        cell("a on GAN", "VAR", "AR", 0.5),
        cell("a on GAN", "RAR", "AR", 0.7, status="partial"),
        cell("a on GAN", "BigGAN", "GAN", 1.0),
    ]
}


ORIGINS = {"AR": Origin("AR", frozenset({"var"})), "GAN": Origin("GAN", frozenset({"ProGAN"}))}
GENERATORS = {name: name for name in ("VAR", "RAR", "BigGAN")}


def test_means_tell_the_own_generator_from_unseen_ones():
    (matrix,) = build_matrices(METRICS, ["a"], ORIGINS, GENERATORS, "ap")
    assert list(matrix.test_sets) == ["RAR", "VAR", "BigGAN"]
    first, second = matrix.rows
    assert first.values == {"RAR": 0.8, "VAR": 0.9, "BigGAN": 0.6}
    assert first.means == pytest.approx(
        {"same generator": 0.9, "same paradigm": 0.8, "other paradigms": 0.6, "all": 2.3 / 3}
    )
    # a partial cell is no value, and a mean over what is left would not compare
    assert second.values["RAR"] is None
    assert second.means == {
        "same generator": None, "same paradigm": 1.0, "other paradigms": None, "all": None,
    }  # fmt: skip
    with pytest.raises(UserError, match="unknown metric 'app', did you mean 'ap'"):
        build_matrices(METRICS, ["a"], ORIGINS, GENERATORS, "app")


def test_files_hold_the_same_numbers(tmp_path):
    matrices = build_matrices(METRICS, ["a"], ORIGINS, GENERATORS, "ap")
    written = {path.name: path for path in render(matrices, tmp_path)}
    assert set(written) == {"study.json", "study.csv", "study.md", "study.html", "study_a.png", "study_a.svg"}
    rows = list(csv.DictReader(written["study.csv"].read_text().splitlines()))
    assert [(r["trained_on"], r["tested_on"], r["value"]) for r in rows][:2] == [
        ("AR", "RAR", "0.8"),
        ("AR", "VAR", "0.9"),
    ]
    assert "| AR (AR) | 80.0 | 90.0 | 60.0 | 90.0 | 80.0 | 60.0 | 76.7 |" in written["study.md"].read_text()
    page = written["study.html"].read_text()
    assert page.count("<td") == 2 * (3 + 4)
    assert (page.count('class="own"'), page.count('class="same"')) == (1, 2)
    assert [row["relation"] for row in rows[:3]] == ["same paradigm", "same generator", "other paradigms"]
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # which names a kind of element
    with Image.open(written["study_a.png"]) as image:
        assert min(image.size) > 200


def write_study(folder, **changes):
    sets = folder / "pictures"
    for number, (paradigm, generator) in enumerate((("AR", "VAR"), ("GAN", "BigGAN"))):
        if not (sets / paradigm).exists():
            write_pictures(sets / paradigm / generator, 8, seed=number)
    path = folder / "study.yaml"
    values = {
        "detectors": [{"name": "toy"}, {"name": "plain"}],
        "training_sets": {
            name: {"data": {"sets": [str(sets / name / generator)]}}
            for name, generator in (("AR", "VAR"), ("GAN", "BigGAN"))
        },
        "training": {
            "epochs": 1, "batch_size": 8, "device": "cpu", "allow_untrained": True, "plugins": [str(TOY_PLUGIN)],
        },
        "test": {"data": [str(sets)], "bootstrap": 0},
        "out": str(folder / "out"),
        **changes,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values))
    return path


def test_a_study_runs_and_resumes(invoke, tmp_path):
    config = write_study(tmp_path)
    done = invoke("study", config)
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "out/study.json").read_text())
    assert [m["detector"] for m in result["matrices"]] == ["toy", "plain"]
    for matrix in result["matrices"]:
        assert [row["training_set"] for row in matrix["rows"]] == ["AR", "GAN"]
        assert [list(row["relations"].values()) for row in matrix["rows"]] == [
            ["same generator", "other paradigms"],
            ["other paradigms", "same generator"],
        ]
        assert all(0 <= v <= 1 for row in matrix["rows"] for v in row["values"].values())
    again = invoke("study", config)
    assert again.code == 0, again.err
    assert "epoch 1/1" in done.err
    assert "epoch 1/1" not in again.err
    assert json.loads((tmp_path / "out/study.json").read_text()) == result


def test_several_seeds_are_one_row_with_their_spread(invoke, tmp_path):
    config = write_study(tmp_path, detectors=[{"name": "probe"}])
    done = invoke("study", config, "--seeds", "0,3")
    assert done.code == 0, done.err
    assert (tmp_path / "out/training/probe/AR/seed-3/best.safetensors").is_file()
    metrics = json.loads((tmp_path / "out/run/metrics.json").read_text())
    found = {(c["detector"], c["dataset"]): c["metrics"]["ap"] for c in metrics["cells"]}
    (matrix,) = json.loads((tmp_path / "out/study.json").read_text())["matrices"]
    for row in matrix["rows"]:
        assert row["seeds"] == [0, 3]
        seeds = [
            [found[f"probe on {row['training_set']} seed {seed}", name] for name in row["values"]]
            for seed in (0, 3)
        ]
        assert list(row["values"].values()) == pytest.approx(np.mean(seeds, axis=0).tolist())
        means = np.mean(seeds, axis=1)
        assert row["means"]["all"] == pytest.approx(means.mean())
        assert row["spreads"]["all"] == pytest.approx(
            {"standard_deviation": np.std(means, ddof=1), "lowest": means.min(), "highest": means.max()}
        )
    recorded = json.loads((tmp_path / "out/run/run.json").read_text())["detectors"]
    assert {one["encoders"]["toy_family/one"] for one in recorded.values()} == {"untrained, seed 42"}
    assert "| AR (AR, seeds 0, 3) |" in (tmp_path / "out/study.md").read_text()
    assert "±" in (tmp_path / "out/study.html").read_text()


def test_untrained_encoders_are_the_same_in_training_and_test(invoke, tmp_path):
    """Judged by one of the test sets in training, a detector reaches there what the study finds."""
    config = write_study(tmp_path, detectors=[{"name": "probe"}])
    values = yaml.safe_load(config.read_text())
    values["test"]["data"] = values["training_sets"]["AR"]["data"]["sets"]
    for training_set in values["training_sets"].values():
        training_set["validation"] = values["training_sets"]["AR"]["data"]
    config.write_text(yaml.safe_dump(values))
    done = invoke("study", config)
    assert done.code == 0, done.err
    (matrix,) = json.loads((tmp_path / "out/study.json").read_text())["matrices"]
    for row in matrix["rows"]:
        trained = tmp_path / "out/training/probe" / row["training_set"]
        history = json.loads((trained / "history.json").read_text())
        assert list(row["values"].values()) == [pytest.approx(history[-1]["ap"], abs=1e-9)]
        encoders = json.loads((trained / "best.json").read_text())["training"]["weights"]["encoders"]
        assert encoders == {"toy_family/one": "untrained, seed 42"}
    recorded = json.loads((tmp_path / "out/run/run.json").read_text())["detectors"]
    assert [one["encoders"] for one in recorded.values()] == [encoders, encoders]


def test_a_failed_training_is_named_and_the_others_go_on(invoke, tmp_path):
    config = write_study(
        tmp_path, detectors=[{"name": "toy"}, {"name": "toy", "label": "nan", "options": {"explode_at": 0}}]
    )
    done = invoke("study", config)
    assert done.code == 1
    assert "nan on AR: loss nan in epoch 1" in done.err
    matrices = json.loads((tmp_path / "out/study.json").read_text())["matrices"]
    assert all(v is not None for row in matrices[0]["rows"] for v in row["values"].values())
    assert all(v is None for row in matrices[1]["rows"] for v in row["values"].values())


def test_weights_of_one_detectors_encoder_are_no_others_business(invoke, tmp_path):
    with seeded_init("weights", 1):
        torch.save(ToyFamily().state_dict(), tmp_path / "one.pth")
    training = {
        "epochs": 1, "batch_size": 8, "device": "cpu", "allow_untrained": True, "plugins": [str(TOY_PLUGIN)],
        "weights": {"toy_family/one": str(tmp_path / "one.pth")},
    }  # fmt: skip
    detectors = [{"name": "plain"}, {"name": "probe"}]
    config = write_study(tmp_path, detectors=detectors, training=training)
    done = invoke("study", config)
    assert done.code == 0, done.err
    recorded = json.loads((tmp_path / "out/run/run.json").read_text())["detectors"]
    assert recorded["probe on AR"]["encoders"] == {"toy_family/one": sha256(tmp_path / "one.pth")}
    training["weights"] = {"toy_family/oen": str(tmp_path / "one.pth")}
    refused = invoke(
        "study", write_study(tmp_path, detectors=detectors, training=training), "--out", tmp_path / "b"
    )
    assert (refused.code, "did you mean 'toy_family/one'" in refused.err) == (2, True), refused.err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"detectors": [{"name": "toy"}, {"name": "toy"}]}, "two detectors are called 'toy'"),
        ({"training": {"out": "x"}}, "training.out: a study sets it itself"),
        ({"test": {"data": [], "detectors": []}}, "test.detectors: a study sets it itself"),
        ({"test": {"data": [], "seed": 1}}, "test.seed: a study tests with the encoders that it trains with"),
        ({"training": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"metrics": "ap"}, "did you mean 'metric'"),
        ({"training": {"seeds": [1]}}, "training.seeds: a study sets it itself"),
    ],
)
def test_wrong_requests_show_before_anything_is_trained(invoke, tmp_path, changes, said):
    done = invoke("study", write_study(tmp_path, **changes))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_a_grid_of_probes_is_trained_on_one_feature_store(invoke, tmp_path):
    config = write_study(
        tmp_path,
        detectors=[
            {
                "name": "linear_probe",
                "label": "probe",
                "options": {"protocol": "uniform"},
                "grid": {"backbone": {"vit": "timm/test_vit"}},
            },
            {
                "name": "linear_probe",
                "label": "blocks",
                "options": {"protocol": "uniform", "backbone": "timm/test_vit"},
                "grid": {"layers": [2, 3]},
            },
        ],
        training={
            "epochs": 1, "batch_size": 8, "device": "cpu", "allow_untrained": True,
            "features": str(tmp_path / "features"),
            "augmentation": {"blur": 0, "jpeg": 0, "random_crop": False, "copies": 1},
        },
    )  # fmt: skip
    values = yaml.safe_load(config.read_text())
    del values["training_sets"]["GAN"]
    config.write_text(yaml.safe_dump(values))
    done = invoke("study", config)
    assert done.code == 0, done.err
    probes = ["probe vit", "blocks 2", "blocks 3"]
    matrices = json.loads((tmp_path / "out/study.json").read_text())["matrices"]
    assert [matrix["detector"] for matrix in matrices] == probes
    board = (tmp_path / "out/run/leaderboard.md").read_text()
    assert all(f"{probe} on AR" in board for probe in probes)
    shelves = {path.parent.name for path in (tmp_path / "features").glob("encoders/*/*/*.safetensors")}
    assert shelves == {"block_features", "feature"}


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (
            {"backbone": ["timm/test_vit"]},
            "'timm/test_vit' is no name for tables: write `NAME: timm/test_vit`",
        ),
        ({"layers": []}, "grid.layers: give at least one value"),
        ({"layer": [1]}, "did you mean 'layers'"),
    ],
)
def test_a_wrong_grid_is_refused(invoke, tmp_path, grid, said):
    done = invoke("study", write_study(tmp_path, detectors=[{"name": "linear_probe", "grid": grid}]))
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_study_of_what_was_there_until_a_month_refuses_what_was_not_and_shows_what_came_after(
    invoke, tmp_path
):
    config = write_study(tmp_path, until="2018-12", detectors=[{"name": "toy"}])
    refused = invoke("study", config)
    assert refused.code == 2
    assert "until 2018-12: training set AR has pictures of VAR, released 2024-04" in refused.err
    assert not (tmp_path / "out").exists()
    values = yaml.safe_load(config.read_text())
    del values["training_sets"]["AR"]
    config.write_text(yaml.safe_dump(values))
    done = invoke("study", config)
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "out/timeline.csv").read_text().splitlines()))
    assert [(row["generator"], row["months"]) for row in rows] == [("BigGAN", "-3"), ("VAR", "64")]
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    assert (tmp_path / "out/timeline.svg").exists()
