"""`d3qe-bench audit` on folders with and without shortcuts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, chelsea, coffee, rocket

from benchmarks.audits import audit
from benchmarks.datasets import find_test_sets
from registry import load_plugins

PHOTOS = [astronaut(), chelsea(), coffee(), rocket()]


def crops(count: int, seed: int, size: int = 96) -> list[Image.Image]:
    """Pieces of photographs, none twice."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        photo = PHOTOS[number % len(PHOTOS)]
        top, left = (int(rng.integers(0, side - size)) for side in photo.shape[:2])
        made.append(Image.fromarray(photo[top : top + size, left : left + size]))
    return made


def write(
    root: Path, real: tuple[str, dict], fake: tuple[str, dict], count: int = 24, size: int = 96
) -> Path:
    """A test set VAR; each class's file suffix and saving options."""
    pictures = crops(2 * count, seed=0, size=size)
    for folder, (suffix, options), own in (
        ("0_real", real, pictures[:count]),
        ("1_fake", fake, pictures[count:]),
    ):
        (root / "VAR" / folder).mkdir(parents=True)
        for number, picture in enumerate(own):
            picture.save(root / "VAR" / folder / f"{number}.{suffix}", **options)
    return root


def shortcuts(text: str) -> set[str]:
    (one,) = json.loads(text)["sets"]
    return {finding["cue"] for finding in one["findings"] if finding["verdict"] == "shortcut"}


@pytest.mark.parametrize(
    ("real", "fake", "found"),
    [
        (("png", {}), ("png", {}), set()),
        (("jpg", {"quality": 90}), ("jpg", {"quality": 90}), set()),
        (("jpg", {"quality": 96}), ("png", {}), {"format", "encoder", "jpeg past"}),
        (("jpg", {"quality": 96}), ("jpg", {"quality": 75}), {"jpeg quality", "jpeg tables"}),
        (("jpg", {"subsampling": 0}), ("jpg", {"subsampling": 2}), {"encoder"}),
        (("png", {"dpi": (72, 72)}), ("png", {}), {"metadata"}),
    ],
)
def test_what_differs_is_found_and_nothing_else(invoke, tmp_path, real, fake, found) -> None:
    root = write(tmp_path / "data", real, fake)
    result = invoke("audit", str(root), "--format", "json")
    assert result.code == 0, result.err
    assert shortcuts(result.out) == found
    assert invoke("audit", str(root), "--strict").code == (1 if found else 0)


@pytest.mark.parametrize("quality", [95, 100])
def test_a_jpeg_past_is_found_in_png_files(invoke, tmp_path, quality) -> None:
    """GenImage's trap once more: the real pictures were JPEG files before all were stored as PNG."""
    root = write(tmp_path / "data", ("jpg", {"quality": quality}), ("png", {}))
    for path in (root / "VAR" / "0_real").glob("*.jpg"):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    result = invoke("audit", str(root), "--format", "json", "--strict")
    assert (result.code, shortcuts(result.out)) == (1, {"jpeg past"}), result.err


def test_the_same_seed_gives_the_same_report(invoke, tmp_path) -> None:
    root = write(tmp_path / "data", ("png", {}), ("png", {}))
    first, again, other = (
        json.loads(invoke("audit", str(root), "--format", "json", "--seed", seed).out)
        for seed in ("1", "1", "2")
    )
    assert first == again
    assert first["sets"] != other["sets"]


def test_overlap_of_training_and_test_is_found(invoke, tmp_path) -> None:
    root = write(tmp_path / "data", ("png", {}), ("png", {}), count=10)
    train = write(tmp_path / "train", ("png", {}), ("png", {}), count=5)
    # the first real pictures of the training set are the first of the test set
    result = invoke("audit", str(root), "--train", str(train), "--format", "json")
    assert result.code == 0, result.err
    twins = json.loads(result.out)["twins"]
    leaked = {
        (t["first"]["path"], t["second"]["path"])
        for t in twins
        if t["where"] == "train and test" and t["exact"]
    }
    assert {(f"VAR/0_real/{i}.png", f"VAR/0_real/{i}.png") for i in range(5)} <= leaked
    assert invoke("audit", str(root), "--train", str(train), "--strict").code == 1


def test_unreadable_pictures_are_named_and_exit_one(invoke, tmp_path) -> None:
    root = write(tmp_path / "data", ("png", {}), ("png", {}))
    (root / "VAR" / "1_fake" / "7.png").write_bytes(b"")
    result = invoke("audit", str(root))
    assert result.code == 1
    assert "cannot be read: VAR/1_fake/7.png: empty file (0 bytes)" in result.out
    assert "no shortcut found in: VAR" in result.out


def test_table_and_markdown_hold_the_same_findings(invoke, tmp_path) -> None:
    root = write(tmp_path / "data", ("jpg", {}), ("png", {}))
    table = invoke("audit", str(root), "--out", str(tmp_path / "audit.txt"))
    assert (table.code, table.out) == (0, "")
    text = (tmp_path / "audit.txt").read_text()
    markdown = invoke("audit", str(root), "--format", "markdown").out
    for line in ("JPEG 100%", "PNG 100%", "shortcut: real and generated differ", "no duplicates"):
        assert line in text
        assert line in markdown
    assert markdown.startswith("# Audit\n\n| test set | cue | AUROC |")


def test_wrong_requests_exit_two(invoke, tmp_path) -> None:
    assert invoke("audit", str(tmp_path / "nowhere")).code == 2
    (tmp_path / "empty").mkdir()
    result = invoke("audit", str(tmp_path / "empty"))
    assert result.code == 2
    assert "no known layout" in result.err


def test_known_differences_of_the_shared_field_set(shared: Path) -> None:
    sets = find_test_sets(
        load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).datasets, [str(shared / "data" / "field")]
    )
    report = audit(sets)
    assert {(name, finding.cue) for name, finding in report.shortcuts} == {
        ("GAN/InfoMax-GAN", "size"),
        # PNG files, of which one class was JPEG before; the manifest tells so of the first
        ("AR/RQ-Transformer", "jpeg past"),
        ("GAN/InfoMax-GAN", "jpeg past"),
        ("GAN/StyleGAN2-church", "jpeg past"),
        ("diffusion/FLUX-schnell", "size"),
        ("diffusion/FLUX-schnell", "aspect"),
        ("diffusion/SDXL", "size"),
        ("diffusion/SDXL", "aspect"),
    }
    assert any(note.startswith("test sets differ among themselves in format") for note in report.notes)
    assert {twin.where for twin in report.twins} == {"between test sets"}
    assert not report.unreadable
    assert report.exit_code() == 0
    assert report.exit_code(strict=True) == 1
