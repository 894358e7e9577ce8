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

from benchmarks.runfolder.scores import read_scores
from tests.conftest import ROOT, Command
from tests.installing import install, write_plugin

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


def test_the_command_lists_and_runs_it(
    installed: Path, tiles: Path, tmp_path: Path, command: Command
) -> None:
    environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"}
    listed = command("list", "detectors", env=environment)
    assert "stranger_sharpness" in listed.stdout
    data = ("--data", tiles, "--layout", "stranger_tiles")
    out = tmp_path / "run"
    finished = command("run", *data, "--detectors", "stranger_sharpness", "--out", out, env=environment)
    assert finished.returncode == 0, finished.stderr
    rows = read_scores(out).set_index("path")
    assert sorted(rows.index) == ["fake-0.png", "fake-1.png", "real-0.png", "real-1.png"]
    assert (rows["score"] > 0.5).to_dict() == {path: path.startswith("fake") for path in rows.index}
    plugins = {one["name"]: one for one in json.loads((out / "run.json").read_text())["plugins"]}
    assert plugins["stranger"]["origin"] == "stranger-bench 1.0.0 (stranger_bench)"


BROKEN = {
    "quitter": ("import sys; sys.exit('enough')", "SystemExit: enough"),
    "raiser": ("1 / 0", "ZeroDivisionError: division by zero"),
}


def test_broken_plugins_beside_it_are_named_and_the_run_goes_on(
    installed: Path, tiles: Path, tmp_path: Path, command: Command
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name, (code, _) in BROKEN.items():
        write_plugin(broken, name, code)
    file = tmp_path / "file.py"
    file.write_text("raise RuntimeError('of the file')")
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(installed), str(broken)])}
    expected = {name: reason for name, (_, reason) in BROKEN.items()} | {"file": "RuntimeError: of the file"}
    request = ("--data", tiles, "--layout", "stranger_tiles", "--bootstrap", "0", "--plugin", file)
    out = tmp_path / "run"
    finished = command("run", *request, "--detectors", "stranger_sharpness", "--out", out, env=environment)
    assert finished.returncode == 0, finished.stderr
    plugins = json.loads((out / "run.json").read_text())["plugins"]
    assert {one["name"]: one["error"] for one in plugins if one["status"] == "failed"} == expected
    for name, reason in expected.items():
        assert f"plugin {name} (" in finished.stderr
        assert reason in finished.stderr
