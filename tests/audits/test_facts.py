"""What is read from files: quality, depth, metadata, grid; and duplicates."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from skimage.data import astronaut, chelsea, coffee

from benchmarks.audits.block_grid import grid_strength
from benchmarks.audits.duplicates import NEAR_BITS, Member, _sharing_a_band, find_twins
from benchmarks.audits.facts import read_facts
from benchmarks.audits.jpeg_past import lattice_strength
from benchmarks.audits.jpeg_quality import estimate_quality
from benchmarks.audits.resampling import resampling_strength
from benchmarks.pictures import PictureError


def photo(size: int = 256) -> Image.Image:
    return Image.fromarray(astronaut()).resize((size, size))


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 96, 100])
def test_quality_of_another_encoder_is_recovered(quality: int) -> None:
    coded = cv2.imencode(".jpg", np.asarray(photo(64)), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    with Image.open(BytesIO(coded)) as image:
        assert estimate_quality(image.quantization) == quality


def test_tables_of_a_camera_get_the_nearest_quality() -> None:
    with_noise = {0: [max(1, value + (-1) ** i) for i, value in enumerate(standard_table(80))]}
    assert abs(estimate_quality(with_noise) - 80) <= 2


def standard_table(quality: int) -> list[int]:
    buffer = BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return list(image.quantization[0])


def test_facts_of_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[0x0110] = "camera"
    photo().save(path, quality=88, exif=exif, progressive=True, subsampling=0, comment="hello")
    found = read_facts(path)
    assert (found.format, found.depth, found.width, found.height) == ("JPEG", "RGB", 256, 256)
    assert found.quality == 88
    assert found.encoder == "chroma 1×1 1×1 1×1, progressive"
    # Pillow derives a resolution from EXIF
    assert found.metadata == "comment, dpi, exif"
    assert found.bytes == path.stat().st_size
    levels = np.asarray(photo(), float).reshape(-1, 3)
    np.testing.assert_allclose(found.colours[:3], levels.mean(axis=0), atol=2)


def test_facts_of_a_png_with_what_web_interfaces_write(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    text = PngInfo()
    text.add_text("parameters", "a cat, steps: 20")
    photo().save(path, pnginfo=text)
    found = read_facts(path)
    assert (found.quality, found.tables, found.metadata) == (None, "", "text parameters")


def test_sixteen_bits_are_seen_where_the_mode_hides_them(tmp_path: Path) -> None:
    deep = np.asarray(photo(32)).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "rgb.png"), deep)
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    photo(32).save(tmp_path / "plain.png")
    depths = [read_facts(tmp_path / name).depth for name in ("rgb.png", "grey.png", "plain.png")]
    assert depths == ["RGB 16 bit", "I;16 16 bit", "RGB"]


def test_unreadable_and_missing_files_are_picture_errors(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    for name in ("x.png", "missing.png"):
        with pytest.raises(PictureError):
            read_facts(tmp_path / name)


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as coded:
        return coded.convert("RGB")


@pytest.mark.parametrize("offset", [0, 3])
def test_a_jpeg_past_shows_wherever_the_crop_lies(offset: int) -> None:
    def strength(image: Image.Image) -> float:
        return grid_strength(np.asarray(image.convert("L").crop((offset, offset, 200, 200)), float))

    assert strength(recompressed(photo(), 40)) > 4 * strength(photo())


def test_grid_of_plain_and_tiny_pictures_is_zero() -> None:
    assert grid_strength(np.full((64, 64), 7.0)) == 0
    assert grid_strength(np.zeros((1, 1))) == 0
    assert grid_strength(np.arange(90.0).reshape(9, 10)) == 0
    blocks = np.kron(np.random.default_rng(0).integers(0, 256, (12, 12)), np.ones((8, 8)))
    assert grid_strength(blocks) > 1


@pytest.mark.parametrize("quality", [100, 95, 85, 60])
@pytest.mark.parametrize("offset", [0, 3])
def test_coefficients_stay_on_the_lattice_of_a_jpeg_past(quality: int, offset: int) -> None:
    def strength(image: Image.Image) -> float:
        return lattice_strength(np.asarray(image.crop((offset, offset, 200, 200))))

    assert strength(photo()) < 5
    assert strength(recompressed(photo(), quality)) > 12


def test_a_lattice_made_by_hand_is_found_and_plain_or_tiny_pictures_have_none() -> None:
    rng = np.random.default_rng(0)
    coefficients = 6 * np.round(rng.laplace(0, 8, (12, 12, 8, 8)) / 6)
    coefficients[..., 0, 0] += 1024
    blocks = cv2_inverse(coefficients)
    grey = blocks.transpose(0, 2, 1, 3).reshape(96, 96)
    assert lattice_strength(np.repeat(np.clip(np.round(grey), 0, 255)[..., None], 3, 2)) > 12
    assert lattice_strength(np.full((64, 64, 3), 7, np.uint8)) == 0
    assert lattice_strength(np.zeros((23, 90, 3), np.uint8)) == 0


def cv2_inverse(coefficients: np.ndarray) -> np.ndarray:
    flat = coefficients.reshape(-1, 8, 8)
    return np.stack([cv2.idct(block) for block in flat]).reshape(coefficients.shape)


def test_enlarged_pictures_have_a_period_and_others_none() -> None:
    def strength(image: Image.Image) -> float:
        return resampling_strength(np.asarray(image.convert("L"), float))

    # halved first: the photograph as it is published was resampled itself
    original = Image.fromarray(astronaut()).resize((256, 256), Image.Resampling.LANCZOS)
    for factor in (1.1, 1.2, 1.5):
        assert strength(original.resize((int(256 * factor),) * 2, Image.Resampling.BICUBIC)) > 1.3 * strength(
            original
        )
    assert resampling_strength(np.full((64, 64), 7.0)) == 0
    assert resampling_strength(np.zeros((15, 15))) == 0


def members(count: int) -> list[Member]:
    return [Member("data", "set", f"{i}.png", 0) for i in range(count)]


def test_copies_and_lightly_edited_pictures_are_found_and_others_not(tmp_path: Path) -> None:
    cat, cup = Image.fromarray(chelsea()).resize((256, 256)), Image.fromarray(coffee()).resize((256, 256))
    pictures = [
        photo(), photo(), recompressed(photo(), 70), photo(128), cat, cup,
        Image.new("RGB", (64, 64), (9, 9, 9)), Image.new("RGB", (64, 64), (90, 9, 9)),
    ]  # fmt: skip
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    facts = [read_facts(tmp_path / f"{number}.png") for number in range(len(pictures))]
    found = {(t.first.path, t.second.path, t.exact) for t in find_twins(members(len(pictures)), facts)}
    assert found == {
        ("0.png", "1.png", True),
        ("0.png", "2.png", False),
        ("0.png", "3.png", False),
        ("2.png", "3.png", False),
    }


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (Member("data", "A", "b.png", 0), "within a class"),
        (Member("data", "B", "b.png", 0), "between test sets"),
        (Member("data", "A", "b.png", 1), "real and generated"),
        (Member("train", "A", "b.png", 0), "train and test"),
        (Member("train", "A", "b.png", 1), "train and test"),
    ],
)
def test_duplicates_say_how_they_are_related(tmp_path: Path, other: Member, where: str) -> None:
    photo().save(tmp_path / "x.png")
    facts = read_facts(tmp_path / "x.png")
    (twin,) = find_twins([Member("data", "A", "a.png", 0), other], [facts, facts])
    assert (twin.where, twin.exact) == (where, True)


def test_bands_miss_no_pair_that_is_close_enough() -> None:
    rng = np.random.default_rng(0)
    hashes = [int(value) for value in rng.integers(0, 1 << 63, 40, np.uint64)]
    for base in hashes[:20]:
        flips = rng.choice(64, rng.integers(0, NEAR_BITS + 3), replace=False)
        hashes.append(base ^ sum(1 << int(bit) for bit in flips))
    close = {
        (a, b) for a, b in combinations(range(60), 2) if (hashes[a] ^ hashes[b]).bit_count() <= NEAR_BITS
    }
    together = {pair for group in _sharing_a_band(hashes) for pair in combinations(group, 2)}
    assert len(close) >= 5
    assert close <= together
