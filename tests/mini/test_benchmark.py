"""What the mini benchmark promises, through the command that a newcomer runs first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.mini import generators
from tests.conftest import Command
from tools.mini import generators as picture_makers

TRAINED = {"d3qe_mini", "univfd_mini", "cnnspot_mini"}


@pytest.mark.slow
def test_a_run_without_arguments_shows_the_whole_product(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("run", "--out", folder, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert f"written: {folder}/leaderboard.html" in done.stdout
    cells = json.loads((folder / "metrics.json").read_text())["cells"]
    # three trained detectors and the floor, on six sets, clean and as JPEG
    assert len(cells) == 4 * 6 * 2
    assert all(cell["n_real"] == cell["n_fake"] == 200 and not cell["n_error"] for cell in cells)
    clean = {(cell["detector"], cell["dataset"]): cell for cell in cells if cell["perturbation"] == "none"}
    held_out = {
        name: cell["metrics"]["ap"] for (name, test_set), cell in clean.items() if test_set == "mini/raster"
    }
    assert {name for name, ap in held_out.items() if ap >= 0.9} == TRAINED, held_out
    for (name, _), cell in clean.items():
        if name == "random_score":
            # chance's AUROC is 0.5 at any size of a set, its AP is a little more
            low, high = cell["ci"]["auroc"]
            assert low <= 0.5 <= high, cell


def test_weights_stay_small() -> None:
    homes = generators.WEIGHTS, picture_makers.WEIGHTS
    assert sum(file.stat().st_size for home in homes for file in home.iterdir()) <= 20_000_000
