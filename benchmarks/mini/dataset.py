"""The data set `mini`: made on first use, kept in the user's cache, verified against a manifest.

FOLDER/test/<generator>/{0_real,1_fake}/*.png    four test sets
FOLDER/{train,val}/{0_real,1_fake}/*.png         pictures of the first generator only
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.files import user_folder
from benchmarks.mini.manifest import MANIFEST, check_files
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import unknown_name
from registry.weights import sha256

FOLDER_VARIABLE = "D3QE_BENCH_MINI"
PARADIGM_OF = {"raster": "AR", "next_scale": "AR", "gan": "GAN", "diffusion": "diffusion"}
"""The generators, in the order of tables; detectors are trained on pictures of the first."""

TRAINED_ON = "raster"
COUNTS = {"train": 500, "val": 100, "test": 200}
"""Real and generated pictures each, per test set."""

CLASS_FOLDERS = {REAL: "0_real", FAKE: "1_fake"}


def scan(root: Path | None = None, *, split: str = "test") -> list[TestSet]:
    """The test sets of a split; pictures that are not there yet are made, which takes a minute or two.

    root: where they lie; by default `$D3QE_BENCH_MINI`, else the user's cache.
    split: `test`, four sets; `train` or `val`, one set each of the first generator.

    Raises:
        UserError: no such split; photographs or weights are missing; the pictures that were made are
            not those of the manifest, or were changed since.
    """
    if split not in COUNTS:
        raise unknown_name("split", split, COUNTS)
    home = folder() if root is None else root
    generators = list(PARADIGM_OF) if split == "test" else [TRAINED_ON]
    parts = {generator: part_name(split, generator) for generator in generators}
    missing = [generator for generator, part in parts.items() if not (home / part).is_dir()]
    if missing:
        # needs torch, which listing the data set does not
        from benchmarks.mini.first_use import make_parts

        make_parts(home, split, missing)
    return [_test_set(home, split, generator, part) for generator, part in parts.items()]


def folder() -> Path:
    """Where the pictures lie: one folder per version of the manifest."""
    return user_folder(FOLDER_VARIABLE, "mini") / sha256(MANIFEST)[:12]


def part_name(split: str, generator: str) -> str:
    """The folder of one part, relative to the data set's: `test/gan`, `train`."""
    return f"test/{generator}" if split == "test" else split


def picture_name(label: int, number: int) -> str:
    """The path of a picture inside its part."""
    return f"{CLASS_FOLDERS[label]}/{number:04d}.png"


def _test_set(home: Path, split: str, generator: str, part: str) -> TestSet:
    names = [
        (picture_name(label, number), label) for label in (REAL, FAKE) for number in range(COUNTS[split])
    ]
    check_files(home / part, [name for name, _ in names])
    pictures = tuple(Picture(f"{part}/{name}", label) for name, label in names)
    name = f"mini/{generator if split == 'test' else split}"
    return TestSet(name, home, generator, PARADIGM_OF[generator], pictures)
