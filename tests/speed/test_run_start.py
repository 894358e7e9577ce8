"""What a run loads before its first score: seconds of every start, whatever the number of pictures."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Command
from tests.pictures import make_class_folders

PLUGIN = '''
import os, pathlib, sys
from registry import Detector, View, hookimpl

class First(Detector):
    """Says what is loaded when it is first called, and ends the process."""
    inputs = {"picture": View(resize=32, crop=32)}

    def forward(self, inputs):
        pathlib.Path(os.environ["LOADED"]).write_text(" ".join(sys.modules))
        os._exit(0)

@hookimpl
def register_detectors(register):
    register("first", First, summary=First.__doc__, needs_weights=False)
'''


def test_what_is_for_tables_and_figures_is_not_loaded_before_the_first_score(
    tmp_path: Path, command: Command
) -> None:
    make_class_folders(tmp_path / "set", 2)
    (tmp_path / "first.py").write_text(PLUGIN)
    command(
        "run", "--data", tmp_path / "set", "--detectors", "first", "--plugin", tmp_path / "first.py",
        "--out", tmp_path / "run", env={"LOADED": str(tmp_path / "loaded")},
    )  # fmt: skip
    loaded = set((tmp_path / "loaded").read_text().split())
    assert "torch" in loaded
    late = {
        "pandas",
        "benchmarks.runfolder.evaluate",
        "sklearn",
        "scipy.stats",
        "matplotlib",
        "torchvision",
        "timm",
        "open_clip",
    }
    assert late & loaded == set()
