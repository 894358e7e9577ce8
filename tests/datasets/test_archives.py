"""Archives unpack whole, into their folder, or are refused with the reason."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets.archives import find_archives, unpack
from registry import UserError

FILES = {
    f"test/VAR/{kind}/{number:02}.png": np.random.default_rng(number).bytes(3000 + number)
    for number, kind in enumerate(["0_real"] * 4 + ["1_fake"] * 4)
}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def split_volumes(whole: bytes, size: int) -> list[bytes]:
    """A zip as `zip -s` splits it: the first volume begins with a mark, and offsets count from each volume's start."""
    marked = bytearray(b"PK\x07\x08" + whole)
    end = marked.rfind(b"PK\x05\x06")
    (count, _, table) = struct.unpack("<HLL", marked[end + 10 : end + 20])
    place = table + 4
    for _ in range(count):
        names, extra, comment = struct.unpack("<HHH", marked[place + 28 : place + 34])
        (offset,) = struct.unpack("<L", marked[place + 42 : place + 46])
        volume, inside = divmod(offset + 4, size)
        marked[place + 34 : place + 36] = struct.pack("<H", volume)
        marked[place + 42 : place + 46] = struct.pack("<L", inside)
        place += 46 + names + extra + comment
    volume, inside = divmod(table + 4, size)
    last = (len(marked) - 1) // size
    marked[end + 4 : end + 8] = struct.pack("<HH", last, volume)
    marked[end + 16 : end + 20] = struct.pack("<L", inside)
    return [bytes(marked[start : start + size]) for start in range(0, len(marked), size)]


def test_a_zip(tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped(FILES, zipfile.ZIP_DEFLATED)})
    assert unpack("set.zip", [path], tmp_path / "out") == len(FILES)
    assert content(tmp_path / "out") == FILES


@pytest.mark.parametrize("pattern", ["set.zip.{:03}", "set.zip.part{:02}", "set.zip_{:d}"])
def test_a_zip_that_was_cut(tmp_path: Path, pattern: str) -> None:
    whole = zipped(FILES)
    pieces = [whole[start : start + 5000] for start in range(0, len(whole), 5000)]
    paths = write(tmp_path, {pattern.format(number): piece for number, piece in enumerate(pieces)})
    found = find_archives(reversed(paths))
    assert found == {"set.zip": paths}
    unpack("set.zip", found["set.zip"], tmp_path / "out")
    assert content(tmp_path / "out") == FILES


@pytest.mark.parametrize("size", [4000, 7000, 20000])
def test_a_split_zip(tmp_path: Path, size: int) -> None:
    volumes = split_volumes(zipped(FILES), size)
    names = [f"set.z{number:02}" for number in range(1, len(volumes))] + ["set.zip"]
    paths = write(tmp_path, dict(zip(names, volumes, strict=True)))
    found = find_archives(paths)
    assert found == {"set.zip": paths}
    unpack("set.zip", found["set.zip"], tmp_path / "out")
    assert content(tmp_path / "out") == FILES


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    paths = write(tmp_path, {"set.zip.001": b"a", "set.zip.003": b"c"})
    with pytest.raises(UserError, match=r"set\.zip: part 2 is missing"):
        find_archives(paths)
    paths = write(tmp_path, {"set.z02": b"a", "set.zip": b"c"})
    with pytest.raises(UserError, match=r"set\.zip: part 1 is missing"):
        find_archives(paths)


def test_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    unpack("set.tar.gz", [tmp_path / "set.tar.gz"], tmp_path / "out")
    assert content(tmp_path / "out") == FILES


@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "a/../../out.png", "C:/out.png", "a\\..\\..\\out"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped({"fine.png": b"1", name: b"2"})})
    with pytest.raises(UserError, match="leaves the folder"):
        unpack("set.zip", [path], tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is unpacked of an archive that is refused"


def test_links_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        entry = tarfile.TarInfo("link.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    write(tmp_path, {"set.zip": stream.getvalue()})
    for name in ("set.zip", "set.tar"):
        with pytest.raises(UserError, match="is a link"):
            unpack(name, [tmp_path / name], tmp_path / "out")


def test_an_existing_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "test").symlink_to(tmp_path / "outside")
    (path,) = write(tmp_path, {"set.zip": zipped(FILES)})
    with pytest.raises(UserError, match="through a link"):
        unpack("set.zip", [path], tmp_path / "out")
    assert content(tmp_path / "outside") == {}


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped({"zero.png": bytes(200 << 20)}, zipfile.ZIP_DEFLATED)})
    with pytest.raises(UserError, match="decompression bomb"):
        unpack("set.zip", [path], tmp_path / "out")


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_damaged_archive_is_named(tmp_path: Path, cut: int) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped(FILES)[:cut]})
    with pytest.raises(UserError, match=r"set\.zip is damaged or not complete"):
        unpack("set.zip", [path], tmp_path / "out")


def test_damaged_content_is_found_and_no_half_file_is_left(tmp_path: Path) -> None:
    whole = bytearray(zipped(FILES))
    whole[1000] ^= 1
    (path,) = write(tmp_path, {"set.zip": bytes(whole)})
    with pytest.raises(UserError, match="damaged"):
        unpack("set.zip", [path], tmp_path / "out")
    assert content(tmp_path / "out") == {}


def test_a_broken_off_unpacking_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped(FILES)})
    written: list[int] = []

    def stop(size: int) -> None:
        written.append(size)
        if len(written) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack("set.zip", [path], tmp_path / "out", stop)
    unpack("set.zip", [path], tmp_path / "out", written.append)
    assert len(written) == len(FILES)
    assert content(tmp_path / "out") == FILES


def test_too_little_space_is_seen_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write(tmp_path, {"set.zip": zipped(FILES)})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=10))
    with pytest.raises(UserError, match="GiB are free"):
        unpack("set.zip", [path], tmp_path / "out")
