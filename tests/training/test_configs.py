"""The configuration files that ship: read, built, and consistent with one another."""

from __future__ import annotations

import pytest

from benchmarks.config import RunSettings, read_settings
from benchmarks.training.settings import AugmentationSettings, OptimizerSettings, ScheduleSettings
from benchmarks.training.trainer import read_training
from registry import UserError, load_plugins
from tests.conftest import ROOT

CONFIGS = ROOT / "benchmarks/configs"
MINI_ABLATIONS = sorted(CONFIGS.glob("ablations/mini/*.yaml"))
MINI_VARIANTS = sorted(CONFIGS.glob("variants/mini/*.yaml"))
FULL_SIZE = sorted(
    path for folder in ("training", "ablations", "variants") for path in CONFIGS.glob(f"{folder}/*.yaml")
)
TRAININGS = [*FULL_SIZE, *MINI_ABLATIONS, *MINI_VARIANTS]
OTHER_IMAGE_ENCODERS = {"dinov3.yaml", "perception_encoder.yaml"}
"""Variants that have no counterpart at mini size, where there is one image encoder."""
LIKE_FOR_LIKE = [path for path in FULL_SIZE if not path.stem.endswith(("_mini", "_cached"))]
MINI_SCALE = 8
"""How much narrower D³QE is at mini size: 64 channels instead of 512."""


@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_training_names_a_detector_and_options_that_exist(path):
    settings = read_training(path)
    catalogs = load_plugins()
    detector = catalogs.detectors.create(settings.detector.name, **settings.detector.options)
    assert any(parameter.requires_grad for parameter in detector.parameters())
    assert path.read_text().startswith("# ")
    assert settings.out.name == path.stem


def test_no_two_trainings_share_a_folder():
    folders = [read_training(path).out for path in TRAININGS]
    assert len(set(folders)) == len(folders)


def test_baselines_and_ablations_differ_from_d3qe_in_the_detector_alone():
    """In the detector, and in where its published training starts."""

    def rest(path):
        return read_training(path).model_dump(exclude={"detector", "out", "start"})

    reference = rest(CONFIGS / "training/d3qe.yaml")
    for path in LIKE_FOR_LIKE:
        assert rest(path) == reference, path


def test_the_published_recipes_that_start_from_imagenet_do():
    found = {path.stem: read_training(path).start for path in FULL_SIZE}
    resnet50 = dict.fromkeys(("cnnspot", "fredect", "fusing", "lnp"), "resnet50/imagenet")
    assert {name: start for name, start in found.items() if start} == {
        **resnet50,
        "gramnet": "resnet18/imagenet",
    }


def test_the_mini_ablations_are_the_same_list():
    assert {path.name for path in MINI_ABLATIONS} == {p.name for p in CONFIGS.glob("ablations/*.yaml")}
    common = {"detector", "out", "epochs"}
    recipe = read_training(CONFIGS / "training/d3qe_mini.yaml").model_dump(exclude=common)
    for path in MINI_ABLATIONS:
        mini, full = read_training(path), read_training(path.parents[1] / path.name)
        options = dict(mini.detector.options)
        if options["delta_mode"] == "paper":
            del options["delta_mode"]
        if "width" in options:
            options["width"] *= MINI_SCALE
        assert mini.detector.name == "d3qe_mini"
        assert options == full.detector.options, path
        assert mini.model_dump(exclude=common) == recipe, path
        assert mini.epochs == 10


def test_the_mini_variants_are_those_that_can_be_trained_there():
    full = {path.name for path in CONFIGS.glob("variants/*.yaml")}
    assert {path.name for path in MINI_VARIANTS} == full - OTHER_IMAGE_ENCODERS
    mini_of = {"var-vq16": ("mini-msvq4", 8)}
    recipe = read_training(MINI_ABLATIONS[0]).model_dump(exclude={"detector", "out"})
    for path in MINI_VARIANTS:
        mini, full_size = read_training(path), read_training(path.parents[1] / path.name)
        assert mini.model_dump(exclude={"detector", "out"}) == recipe, path
        options = dict(full_size.detector.options)
        if "further_tokenizers" in options:
            named = [mini_of[one["tokenizer"]] for one in options["further_tokenizers"]]
            options["further_tokenizers"] = [{"tokenizer": n, "latent_channels": c} for n, c in named]
        assert mini.detector.options == {"delta_mode": "paper", **options}, path


_CODE_STATISTICS = "ablations/{}d3at.yaml ablations/{}delta_[!o]*.yaml"


@pytest.mark.parametrize(
    ("run", "files"),
    [
        ("run_ablations", "ablations/*.yaml"),
        ("run_ablations_mini", "ablations/mini/*.yaml"),
        ("run_retrained", "training/*.yaml"),
        ("run_variants", f"{_CODE_STATISTICS.format('', '')} variants/*.yaml"),
        (
            "run_variants_mini",
            f"{_CODE_STATISTICS.format('mini/', 'mini/')} ablations/mini/without_clip.yaml variants/mini/*.yaml",
        ),
    ],
)
def test_a_table_reads_what_its_trainings_write(run, files):
    table = RunSettings(
        **read_settings(CONFIGS / f"{run}.yaml")
    )  # its files are not there before the trainings
    named = {path for pattern in files.split() for path in CONFIGS.glob(pattern)}
    chosen = {*LIKE_FOR_LIKE, *MINI_ABLATIONS, *MINI_VARIANTS} & named
    trainings = {path.stem: read_training(path) for path in chosen}
    assert {d.shown for d in table.detectors} == set(trainings)
    for detector in table.detectors:
        training = trainings[detector.shown]
        assert detector.weights in (training.out, training.out / "best.safetensors")
        assert detector.name == training.detector.name
        options = {"protocol": table.protocol, **detector.options}
        assert {**options, **training.detector.options} == options


def test_a_configuration_goes_on_from_its_base(tmp_path):
    def write(name, text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    write("base.yaml", "detector: {name: a, options: {x: 1, y: 1}}\ndata: {sets: [one, two]}\nepochs: 3")
    write("below/middle.yaml", "base: ../base.yaml\nepochs: 4")
    top = write("top.yaml", "base: below/middle.yaml\ndetector: {options: {y: 2}}\ndata: {sets: [three]}")
    assert read_settings(top) == {
        "detector": {"name": "a", "options": {"x": 1, "y": 2}},
        "data": {"sets": ["three"]},
        "epochs": 4,
    }
    with pytest.raises(UserError, match=r"cannot read the configuration .*none\.yaml"):
        read_settings(write("orphan.yaml", "base: none.yaml"))
    with pytest.raises(UserError, match="base goes round in a circle"):
        read_settings(write("below/loop.yaml", "base: ../below/loop.yaml"))
    with pytest.raises(UserError, match=r"base must be one path, got \['base.yaml'\]"):
        read_settings(write("two.yaml", "base: [base.yaml]"))


def test_the_defaults_are_the_published_recipe():
    optimizer, schedule, augmentation = OptimizerSettings(), ScheduleSettings(), AugmentationSettings()
    assert (optimizer.name, optimizer.lr, optimizer.betas, optimizer.weight_decay) == (
        "adamw", 8.0e-5, (0.9, 0.999), 0.01,
    )  # fmt: skip
    assert (schedule.patience, schedule.factor, schedule.min_lr) == (5, 0.1, 1.0e-6)
    assert (augmentation.blur, augmentation.blur_sigma) == (0.1, (0.0, 3.0))
    assert (augmentation.jpeg, augmentation.jpeg_quality) == (0.1, (30, 100))
    settings = read_training(CONFIGS / "training/d3qe.yaml")
    assert (settings.batch_size, settings.epochs, settings.seed) == (32, 10, 42)
