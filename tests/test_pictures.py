"""Opening pictures: every kind of file gives RGB pixels or one clear reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from benchmarks.pictures import PictureError, is_junk, is_picture, open_picture, picture_suffixes


def levels(height: int = 24, width: int = 32, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be of this size."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return start + struct.pack(">I", 100) + b"IDAT" + bytes(100)


def test_plain_picture_is_exact_and_holds_nothing_but_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.b.c é.png"
    Image.fromarray(levels()).save(path, dpi=(300, 300))
    picture = open_picture(path)
    assert picture.mode == "RGB"
    assert picture.info == {}
    assert type(picture) is Image.Image
    np.testing.assert_array_equal(np.asarray(picture), levels())


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA"])
def test_grey_palette_and_alpha_equal_pillows_conversion(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(levels(channels=4 if "A" in mode else 3)).convert(mode).save(path)
    with Image.open(path) as expected:
        np.testing.assert_array_equal(np.asarray(open_picture(path)), np.asarray(expected.convert("RGB")))


def test_palette_with_transparent_entries_gives_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    palette = Image.fromarray(levels()).convert("P")
    palette.save(path, transparency=bytes(range(200)))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        picture = open_picture(path)
    assert not seen
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(palette.convert("RGB")))


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(path)
    expected = np.array([0, 0, 1, 1, 128, 255])
    np.testing.assert_array_equal(np.asarray(open_picture(path))[0, :, 0], expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 257 * 200, 65535]], np.int32), [0, 200, 255]),
        (np.array([[0, 2**30, 2**31 - 1]], np.int32), [0, 128, 255]),
        (np.array([[-5, 0, 65535]], np.int32), [0, 0, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, -1.0, 300.0]], np.float32), [0, 0, 255]),
    ],
)
def test_wide_integers_and_floats_keep_black_and_white(
    tmp_path: Path, values: np.ndarray, expected: list[int]
) -> None:
    path = tmp_path / "x.tiff"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(np.asarray(open_picture(path))[0, :, 1], expected)


def test_cmyk_jpeg_as_adobe_writes_it_comes_out_in_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    red = Image.new("RGB", (32, 32), (200, 30, 40))
    red.convert("CMYK").save(path, quality=95)
    assert np.abs(np.asarray(open_picture(path)).astype(int) - (200, 30, 40)).max() <= 6


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], **({"lossless": True} if suffix == "webp" else {})
    )
    assert open_picture(path).getpixel((3, 3)) == (250, 0, 0)


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(levels(20, 40)).save(path, exif=exif)
    assert open_picture(path).size == (40, 20)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file (0 bytes)"),
        (b"this is a text", "not a picture, or its header is damaged (starts with b'this is a text')"),
        (png_header(20_000, 20_000), "400000000 pixels"),
        (png_header(12_000, 12_000), "12000×12000 is more than the 100,000,000 pixels allowed"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ],
)
def test_what_is_no_picture_gives_one_clear_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        open_picture(path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_size_is_checked_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(levels()).save(path)

    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(PictureError, match="32×24 is more than the 767 pixels"):
        open_picture(path, max_pixels=767)


def test_missing_file_and_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        open_picture(tmp_path / "x.png")
    with pytest.raises(PictureError, match="Is a directory"):
        open_picture(tmp_path)


def test_truncated_jpeg_fails_even_where_other_code_tolerates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(levels(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(PictureError, match="truncated"):
        open_picture(path)


def encoded(name: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(levels(40, 40)).save(buffer, name)
    return buffer.getvalue()


FILES = {
    name: encoded(name)
    for name in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "JPEG2000")
}


@pytest.mark.parametrize("name", sorted(FILES))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_files_give_a_picture_or_a_picture_error(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        picture = open_picture(path, max_pixels=1_000_000)
    except PictureError as error:
        reason = str(error)
    else:
        assert picture.mode == "RGB"
        return
    assert reason
    assert "\n" not in reason


def test_threads_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(levels()).convert("P").save(path, transparency=bytes(range(200)))
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(open_picture, [path] * 100))) == 100
    assert warnings.filters == before


def test_which_names_are_pictures() -> None:
    assert {".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".bmp", ".avif", ".jfif"} <= picture_suffixes()
    assert not {".eps", ".ps", ".mpg", ".h5", ".pdf", ".txt"} & picture_suffixes()
    pictures = ["a.JPG", "v1.0.final.PnG", "ä b.webp", "photo.heic"]
    others = [".hidden.png", "._x.jpg", "Thumbs.db", "png", "a.png.txt"]
    junk = ["Thumbs.db", ".DS_Store", "manifest.csv", "README", "readme.md"]
    assert all(is_picture(Path("folder", name)) for name in pictures)
    assert not any(is_picture(Path("folder", name)) for name in others)
    assert all(is_junk(Path(name)) for name in junk)
    assert not is_junk(Path("labels.npy"))
