"""The configuration files that ship: read, built, and consistent with one another."""

from __future__ import annotations

import pytest

from benchmarks.config import RunSettings, parse_settings, read_settings
from benchmarks.training.command import read_training
from benchmarks.training.settings import AugmentationSettings, OptimizerSettings, ScheduleSettings
from registry import load_plugins
from tests.conftest import ROOT

CONFIGS = ROOT / "benchmarks/configs"
TRAININGS = sorted([*CONFIGS.glob("training/*.yaml"), *CONFIGS.glob("ablations/*.yaml")])
LIKE_FOR_LIKE = [path for path in TRAININGS if not path.stem.endswith(("_mini", "_cached"))]


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
    def rest(path):
        return read_training(path).model_dump(exclude={"detector", "out"})

    reference = rest(CONFIGS / "training/d3qe.yaml")
    for path in LIKE_FOR_LIKE:
        assert rest(path) == reference, path


@pytest.mark.parametrize(("run", "folder"), [("run_ablations", "ablations"), ("run_retrained", "training")])
def test_a_table_reads_what_its_trainings_write(run, folder):
    table = parse_settings(RunSettings, read_settings(CONFIGS / f"{run}.yaml"), run)
    trainings = {path.stem: read_training(path) for path in LIKE_FOR_LIKE if path.parent.name == folder}
    assert {d.shown for d in table.detectors} == set(trainings)
    for detector in table.detectors:
        training = trainings[detector.shown]
        assert detector.weights == training.out / "best.pth"
        assert detector.name == training.detector.name
        options = {"protocol": table.protocol, **detector.options}
        assert {**options, **training.detector.options} == options


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
