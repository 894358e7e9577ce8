"""A plugin in a separate installed package adds a detector and a data set without touching this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.installing import install

SCRIPT = """
import json, sys
from registry import load_plugins
catalogs = load_plugins()
torch_free = "torch" not in sys.modules
from registry import EncoderPool, Pipeline
from PIL import Image
detector = catalogs.detectors.create("stranger_sharpness", threshold=12.0)
pipeline = Pipeline({"it": detector}, EncoderPool(catalogs.encoders))
(test_set,) = catalogs.datasets.create("stranger_tiles", root=sys.argv[1])
samples = [pipeline.prepare(Image.open(test_set.root / p.path).convert("RGB")) for p in test_set.pictures]
print(json.dumps({
    "torch_free": torch_free,
    "plugins": {p.name: [p.status, p.origin, p.registered] for p in catalogs.plugins},
    "labels": [p.label for p in test_set.pictures],
    "logits": pipeline.score(samples)["it"],
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(ROOT / "tests" / "stranger_plugin", tmp_path_factory.mktemp("stranger") / "site")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two noisy real pictures and two flat generated ones."""
    folder = tmp_path_factory.mktemp("tiles")
    rng = np.random.default_rng(0)
    for index in range(2):
        noise = rng.integers(0, 256, (80, 70, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"real-{index}.png")
        Image.new("RGB", (70, 80), (40 * index, 90, 120)).save(folder / f"fake-{index}.png")
    return folder


def run(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *args], capture_output=True, text=True, env=environment, check=True
    )


def test_installed_plugin_scores_its_own_data_set(installed: Path, tiles: Path) -> None:
    answer = json.loads(run(installed, str(tiles)).stdout)
    status, origin, registered = answer["plugins"]["stranger"]
    assert status == "ok"
    assert origin == "stranger-bench 1.0.0 (stranger_bench)"
    assert registered == ["detector stranger_sharpness", "data set stranger_tiles"]
    assert answer["torch_free"], "finding a plugin must not import torch"
    assert answer["labels"] == [1, 1, 0, 0]
    assert answer["logits"][:2] == [12.0, 12.0]
    assert all(logit < 0 for logit in answer["logits"][2:])
