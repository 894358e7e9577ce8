"""The data set `mini`: the pictures that ship, and no others; files tell nothing of the class."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.mini import dataset
from benchmarks.mini.manifest import read_manifest
from registry.dataset import FAKE, REAL
from registry.errors import UserError
from tests.conftest import ROOT, Command

SPLITS = ("test", "train", "val")


def test_six_test_sets_and_two_splits_of_the_first_generator() -> None:
    sets = dataset.scan()
    assert [(one.name, one.generator, one.paradigm) for one in sets] == [
        ("mini/raster", "raster", "AR"),
        ("mini/next_scale", "next_scale", "AR"),
        ("mini/masked", "masked", "AR"),
        ("mini/bitwise", "bitwise", "AR"),
        ("mini/gan", "gan", "GAN"),
        ("mini/diffusion", "diffusion", "diffusion"),
    ]
    for split, count in dataset.COUNTS.items():
        for test_set in dataset.scan(split=split):
            assert test_set.count(REAL) == test_set.count(FAKE) == count
    (train,) = dataset.scan(split="train")
    assert (train.name, train.generator) == ("mini/train", "raster")


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_are_those_of_the_manifest(split: str) -> None:
    for test_set in dataset.scan(split=split):
        known = read_manifest()[dataset.part_name(split, test_set.generator)]
        for label, folder in dataset.CLASS_FOLDERS.items():
            paths = [test_set.root / one.path for one in test_set.pictures if one.label == label]
            pictures = np.stack([np.asarray(Image.open(path)) for path in paths])
            assert pictures.shape == (dataset.COUNTS[split], 64, 64, 3)
            assert hashlib.sha256(pictures.tobytes()).hexdigest() == known[folder]["pixels"]


@pytest.mark.parametrize("split", SPLITS)
def test_files_differ_in_their_pixels_only(split: str) -> None:
    for test_set in dataset.scan(split=split):
        facts, sizes = set(), {REAL: Counter[int](), FAKE: Counter[int]()}
        for picture in test_set.pictures:
            path = test_set.root / picture.path
            with Image.open(path) as image:
                facts.add((image.format, image.size, image.mode, str(image.info), path.stat().st_mode))
            sizes[picture.label][path.stat().st_size] += 1
        assert len(facts) == 1
        assert sizes[REAL] == sizes[FAKE]


def test_no_picture_is_in_two_sets() -> None:
    sets = [one for split in SPLITS for one in dataset.scan(split=split)]
    contents = [(one.root / picture.path).read_bytes() for one in sets for picture in one.pictures]
    assert len(set(contents)) > 0.98 * len(contents)


def test_pictures_that_were_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(dataset.PICTURES / "val", tmp_path / "val")
    monkeypatch.setattr(dataset, "PICTURES", tmp_path)
    (one,) = dataset.scan(split="val")
    path = tmp_path / one.pictures[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="0_real are not those that ship: install d3qe-bench again"):
        dataset.scan(split="val")
    path.unlink()
    with pytest.raises(UserError, match="is incomplete"):
        dataset.scan(split="val")


def test_unknown_split_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'train'"):
        dataset.scan(split="trian")


def test_audit_finds_no_shortcut(command: Command) -> None:
    done = command("audit", "mini", "--strict")
    assert done.returncode == 0, done.stdout
    assert "0 shortcuts" in done.stdout


@pytest.mark.slow
def test_a_wheel_has_the_pictures_and_not_the_tools(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name for name in names if name.endswith(".webp")}
    assert shipped == {
        f"benchmarks/mini/pictures/{picture.path}"
        for split in SPLITS
        for one in dataset.scan(split=split)
        for picture in one.pictures
    }
    assert "benchmarks/mini/manifest.json" in names
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        "baselines",
        "benchmarks",
        "d3qe_plugin",
        "registry",
    }
    assert wheel.stat().st_size < 50_000_000
