"""The data set `mini`: pictures that ship with the package, verified against a manifest.

pictures/test/<generator>/{0_real,1_fake}/*.webp    six test sets
pictures/{train,val}/{0_real,1_fake}/*.webp         pictures of the first generator only

`tools/mini` made them.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.mini.manifest import check_files, read_manifest
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import unknown_name

PICTURES = Path(__file__).parent / "pictures"
PARADIGM_OF = {
    "raster": "AR",
    "next_scale": "AR",
    "masked": "AR",
    "bitwise": "AR",
    "gan": "GAN",
    "diffusion": "diffusion",
}
"""The generators, in the order of tables; detectors are trained on pictures of the first."""

TRAINED_ON = "raster"
COUNTS = {"train": 500, "val": 100, "test": 200}
"""Real and generated pictures each, per test set."""

CLASS_FOLDERS = {REAL: "0_real", FAKE: "1_fake"}


def scan(*, split: str = "test") -> list[TestSet]:
    """The test sets of a split.

    split: `test`, six sets; `train` or `val`, one set each of the first generator.

    Raises:
        UserError: no such split; pictures are missing or are not those that ship.
    """
    if split not in COUNTS:
        raise unknown_name("split", split, COUNTS)
    manifest = read_manifest()
    sets = []
    for generator in PARADIGM_OF if split == "test" else [TRAINED_ON]:
        part = part_name(split, generator)
        pictures: list[Picture] = []
        for label, folder in CLASS_FOLDERS.items():
            names = [f"{part}/{folder}/{number:04d}.webp" for number in range(COUNTS[split])]
            check_files((PICTURES / name for name in names), manifest[part][folder]["files"])
            pictures += (Picture(name, label) for name in names)
        name = f"mini/{generator if split == 'test' else split}"
        sets.append(TestSet(name, PICTURES, generator, PARADIGM_OF[generator], tuple(pictures)))
    return sets


def part_name(split: str, generator: str) -> str:
    """The folder of one part, relative to the data set's: `test/gan`, `train`."""
    return f"test/{generator}" if split == "test" else split
