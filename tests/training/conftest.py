"""Fixtures of the training tests: a toy detector's plugin, toy pictures, settings for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmarks.config import parse_settings
from benchmarks.training.settings import TrainSettings
from registry import Catalogs, TestSet, load_plugins
from tests.training.toy import write_pictures

TOY_PLUGIN = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def catalogs() -> Catalogs:
    return load_plugins([TOY_PLUGIN])


@pytest.fixture(scope="session")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> TestSet:
    return write_pictures(tmp_path_factory.mktemp("training") / "set", 12)


@pytest.fixture(scope="session")
def validation_set(tmp_path_factory: pytest.TempPathFactory) -> TestSet:
    return write_pictures(tmp_path_factory.mktemp("validation") / "set", 6, seed=1)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., TrainSettings]:
    """Settings of a toy training; keyword arguments replace keys."""

    def make(**changes: Any) -> TrainSettings:
        values: dict[str, Any] = {
            "detector": {"name": "toy"},
            "data": {"sets": ["given-as-test-sets"]},
            "allow_untrained": True,
            "out": tmp_path / "out",
            "epochs": 2,
            "batch_size": 8,
            "optimizer": {"lr": 0.01},
            "device": "cpu",
            **changes,
        }
        return parse_settings(TrainSettings, values, "test")

    return make


def write_config(folder: Path, training_set, validation_set, **changes) -> Path:
    """A configuration file of a toy training in `folder`; keyword arguments replace keys."""
    path = folder / "config.yaml"
    values = {
        "detector": {"name": "toy"},
        "data": {"sets": [str(training_set.root)]},
        "validation": {"sets": [str(validation_set.root)]},
        "allow_untrained": True,
        "out": str(folder / "out"),
        "epochs": 4,
        "batch_size": 8,
        "device": "cpu",
        "plugins": [str(TOY_PLUGIN)],
        **changes,
    }
    path.write_text(yaml.safe_dump(values))
    return path


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
