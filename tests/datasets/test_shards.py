"""Pictures in tar shards and in Parquet: the scores of the plain folder, bit for bit, and what is wrong is said."""

from __future__ import annotations

import json
import os
import pickle
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.datasets import find_test_sets, fingerprint, tar_shards
from benchmarks.datasets.parquet_pictures import _row_groups
from benchmarks.datasets.shards import ShardStore
from benchmarks.mini.dataset import scan as scan_mini
from benchmarks.pictures import PictureError, open_member
from benchmarks.runfolder.picture_digests import picture_digests
from benchmarks.runfolder.scores import cells, read_cell
from benchmarks.training.inventory import take_inventory
from registry import Catalogs, TestSet, UserError
from tests.conftest import Invoke
from tests.datasets import packing
from tests.pictures import make_class_folders

Rows = dict[tuple[str, str, str, str], tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_indexes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path_factory.mktemp("indexes")))


@pytest.fixture
def scan(catalogs: Catalogs) -> Callable[..., list[TestSet]]:
    return lambda *data, **options: find_test_sets(catalogs.datasets, list(map(str, data)), **options)


def _rows(run: Path) -> Rows:
    """(detector, test set, perturbation, last two parts of the path) → label, logit and score to the last bit."""
    found: Rows = {}
    for cell in cells(run):
        frame = read_cell(run, cell)
        assert frame["error"].isna().all()
        for row in frame.itertuples():
            key = (cell.detector, cell.dataset, cell.perturbation, "/".join(str(row.path).split("/")[-2:]))
            found[key] = (row.label, np.float32(row.logit).tobytes().hex(), float(row.score).hex())
    return found


def _labelled(name: str, png: bytes, label: object) -> list[packing.Member]:
    return [(f"{name}.png", png), (f"{name}.cls", str(label).encode())]


def test_scores_are_those_of_the_plain_folder_to_the_last_bit(invoke: Invoke, tmp_path: Path) -> None:
    sets = scan_mini()[:2]
    folder = packing.shards(sets, tmp_path / "tars", each=150)
    table = packing.parquet(sets, tmp_path / "parquet/test.parquet", group=64)
    asked = [
        "--detectors", "cnnspot_mini,d3qe_mini,random_score", "--perturb", "crop:0.8", "--limit", "4", "--bootstrap", "0",
    ]  # fmt: skip
    mini = invoke(
        "run", "--data", "mini", "--generators", "raster,next_scale", *asked, "--out", tmp_path / "mini"
    )
    assert mini.code == 0, mini.err
    expected = _rows(tmp_path / "mini")
    assert len(expected) == 3 * 2 * 2 * 8
    for name, data in (("tars", folder / "test-{000000..000005}.tar"), ("table", table.parent)):
        out = tmp_path / "of" / name
        found = invoke("run", "--data", data, *asked, "--out", out)
        assert found.code == 0, found.err
        assert _rows(out) == expected
        # pictures are those of the mini benchmark by their digests as well, so that copies are known to be copies
        digests, own = picture_digests(out), picture_digests(tmp_path / "mini")
        assert digests is not None
        assert own is not None
        assert set(digests["sha256"]) == set(own["sha256"])


def test_a_run_goes_on_in_parts_and_after_a_stop(invoke: Invoke, tmp_path: Path) -> None:
    folder = packing.shards(scan_mini()[:1], tmp_path / "tars", each=300)
    asked = ["run", "--data", folder, "--detectors", "random_score", "--limit", "20", "--bootstrap", "0"]
    whole = tmp_path / "whole"
    assert invoke(*asked, "--out", whole).code == 0
    before = _rows(whole)
    parts = tmp_path / "parts"
    for number in (1, 2):
        assert invoke(*asked, "--out", parts, "--shard", f"{number}/2").code == 0
    assert _rows(parts) == before
    cell = next(cells(whole)).folder(whole)
    for file in cell.glob("*.parquet"):
        file.unlink()
    assert invoke(*asked, "--out", whole).code == 0
    assert _rows(whole) == before


@pytest.mark.slow
def test_every_command_that_reads_pictures_reads_shards(invoke: Invoke, tmp_path: Path) -> None:
    folder = packing.shards(scan_mini()[:1], tmp_path / "tars", each=300)
    table = packing.parquet(scan_mini()[:1], tmp_path / "rows.parquet", group=50, struct=False)
    asked = ["--limit", "30", "--format", "json"]
    plain = invoke("audit", "mini", "--generators", "raster", *asked)
    assert plain.code == 0, plain.err
    for data in (folder, table):
        audit = invoke("audit", data, *asked)
        assert audit.code == 0, audit.err
        assert json.loads(audit.out)["sets"] == json.loads(plain.out)["sets"]
    run = ["run", "--limit", "9", "--bootstrap", "0"]
    fair = [*run, "--detectors", "random_score", "--fair", "size,jpeg90", "--generators", "raster"]
    for name, data in (("of", "mini"), ("tar", str(folder)), ("table", str(table))):
        assert invoke(*fair, "--data", data, "--out", tmp_path / "fair" / name).code == 0
    expected = _rows(tmp_path / "fair/of")
    assert _rows(tmp_path / "fair/tar") == _rows(tmp_path / "fair/table") == expected
    out = tmp_path / "run"
    assert invoke(*run, "--data", folder, "--detectors", "cnnspot_mini,univfd_mini", "--out", out).code == 0
    failures = invoke("failures", out, "--out", tmp_path / "page")
    assert failures.code == 0, failures.err
    assert "gone" not in failures.out + failures.err
    first = [f"{folder}/test-000000.tar", f"{folder}/*1.tar", str(table)]
    predicted = invoke("predict", *first, "--detectors", "random_score", "--format", "json", "--workers", "1")
    assert predicted.code == 0, predicted.err
    scored = json.loads(predicted.out)
    assert len(scored) == 800
    assert scored[0]["path"].endswith("test-000000.tar/test/raster/0_real/0000.webp")
    by_folder = {row["path"].split("/test/")[-1]: row["logit"] for row in scored[400:]}
    assert {row["path"].split("/test/")[-1]: row["logit"] for row in scored[:400]} == by_folder


def test_training_takes_pictures_of_shards(scan: Callable[..., list[TestSet]], tmp_path: Path) -> None:
    make_class_folders(tmp_path / "pair")
    (pair,) = scan(tmp_path / "pair")
    (tmp_path / "pair/0_real/picture 0.v1.png").write_bytes(b"no picture")
    members = [
        member
        for number, one in enumerate(pair.pictures)
        for member in (
            (f"{number:03}.png", (pair.root / one.path).read_bytes()),
            (f"{number:03}.cls", str(one.label).encode()),
        )
    ]
    packing.tar(tmp_path / "pair.tar", members)
    folder = take_inventory([pair], max_pixels=10_000)
    tar = take_inventory(scan(tmp_path / "pair.tar"), max_pixels=10_000)
    assert [one.label for one in tar.items] == [one.label for one in folder.items]
    assert [one.opened(10_000).tobytes() for one in tar.items] == [
        one.opened(10_000).tobytes() for one in folder.items
    ]
    assert [one.reason for one in tar.unreadable] == [one.reason for one in folder.unreadable]
    assert [one.path.name for one in tar.unreadable] == ["000.png"]


def test_the_fields_of_a_sample_make_test_sets_as_a_manifests_columns(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    members: list[packing.Member] = [("a/real.1.png", b"a mask"), ("README.md", b"")]
    members += _labelled("a/real", png, "real")
    for name, fields in {
        "a/0": {"label": "fake", "generator": "VAR"},
        "b/0": {"label": 1, "generator": "SDXL", "paradigm": "diffusion", "caption": ["ignored"]},
    }.items():
        members += [
            (f"{name}.PNG", png),
            (f"{name}.txt", b"a cat"),
            (f"{name}.json", json.dumps(fields).encode()),
        ]
    var, sdxl = sorted(scan(packing.tar(tmp_path / "x.tar", members)), key=lambda one: one.paradigm)
    assert (var.name, var.paradigm, sdxl.name, sdxl.paradigm) == ("VAR", "AR", "SDXL", "diffusion")
    assert [one.path for one in var.pictures] == ["x.tar/a/0.PNG", "x.tar/a/real.png"]
    assert [one.path for one in sdxl.pictures] == ["x.tar/a/real.png", "x.tar/b/0.PNG"]
    assert sdxl.store is not None
    assert sdxl.store.size("x.tar/b/0.PNG") == len(png)


def test_links_and_devices_are_listed_and_not_followed(invoke: Invoke, tmp_path: Path, png: bytes) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png)
    kinds = {
        "sym": tarfile.SYMTYPE,
        "hard": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "fifo": tarfile.FIFOTYPE,
    }
    members = [*_labelled("real", png, 0), *_labelled("fake", png, 1)]
    for name, kind in kinds.items():
        info = tarfile.TarInfo(f"{name}.png")
        info.type, info.linkname = kind, str(secret) if name == "sym" else "real.png"
        members += [info, (f"{name}.cls", b"1")]
    shard = packing.tar(tmp_path / "links.tar", members)
    run = invoke(
        "run", "--data", shard, "--detectors", "random_score", "--out", tmp_path / "run", "--bootstrap", "0"
    )
    assert run.code == 1
    frame = read_cell(tmp_path / "run", next(cells(tmp_path / "run"))).set_index("path")
    assert frame["error"].dropna().to_dict() == {
        "links.tar/device.png": "no plain file in the shard, which is not followed",
        "links.tar/fifo.png": "no plain file in the shard, which is not followed",
        "links.tar/hard.png": "a link in the shard, which is not followed",
        "links.tar/sym.png": "a link in the shard, which is not followed",
    }
    assert len(frame) == 6


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png"])
def test_a_name_that_leaves_the_shard_is_refused(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes, name: str
) -> None:
    shard = packing.tar(tmp_path / "x.tar", [(name, png), (name.replace("png", "cls"), b"1")])
    with pytest.raises(UserError, match="leaves the shard: refused"):
        scan(shard)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("a.png", b"x")], "x.tar/a.png has no label"),
        ([("a.png", b"x"), ("a.cls", b"7")], "a: label '7' is not one of 0, 1, real, fake"),
        ([("a.png", b"x"), ("a.cls", b"1"), ("a.json", b'{"label": 0}')], "label is '0', '1' beside it"),
        ([("a.png", b"x"), ("a.json", b"[1]")], "a.json must hold keys and values"),
        ([("a.png", b"x"), ("a.json", b"{")], "a.json cannot be read"),
        ([("a.png", b"x"), ("a.json", b'{"label": [1]}')], "label must be text or a number"),
        ([("a.png", b"x"), ("a.cls", b"1"), ("a.png", b"y")], "holds a.png twice"),
        ([("a.png", b"x"), ("a.cls", b"1")], "has no real pictures"),
        ([("a.png", b"x"), ("a.json", b'{"label": 1, "paradigm": "Gan"}')], "paradigm 'Gan'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_sample_is_said(
    scan: Callable[..., list[TestSet]], tmp_path: Path, members: list[packing.Member], reason: str
) -> None:
    with pytest.raises(UserError) as caught:
        scan(packing.tar(tmp_path / "x.tar", members))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_that_is_cut_or_damaged_anywhere_never_loses_pictures_in_silence(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    members = [m for n in range(4) for m in _labelled(f"{n}", png, n % 2)]
    whole = packing.tar(tmp_path / "x.tar", members).read_bytes()
    end = 8 * 1024  # a header and a block of content each
    assert not whole[end:].strip(b"\0")
    for cut in [*range(1, end, 512), *range(512, end, 1024)]:
        (tmp_path / "x.tar").write_bytes(whole[:cut])
        if cut % 1024 == 0:
            continue  # where a member ends nothing tells that another followed, but for the missing mark
        with pytest.raises(UserError, match=r"x\.tar is damaged"):
            scan(tmp_path / "x.tar")
    for member in range(1, 8):  # a header in the middle, which tarfile takes for the end
        (tmp_path / "x.tar").write_bytes(whole[: member * 1024] + b"?" * 512 + whole[member * 1024 + 512 :])
        with pytest.raises(UserError, match=r"x\.tar is damaged"):
            scan(tmp_path / "x.tar")


def test_no_changed_byte_of_a_shard_loses_a_picture_in_silence(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    members = [m for n in range(4) for m in _labelled(f"{n}", png, n % 2)]
    whole = packing.tar(tmp_path / "x.tar", members).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, 8 * 1024, 120):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / "x.tar").write_bytes(damaged)
        try:
            (found,) = scan(tmp_path / "x.tar")
        except UserError:
            refused += 1
            continue
        assert len(found.pictures) == 4
    assert refused > 40  # a header in each kilobyte, with a check sum


def test_pictures_that_test_sets_of_shards_share_are_decoded_once(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mini,) = scan_mini(split="val")
    members: list[packing.Member] = []
    for picture in mini.pictures[:3] + mini.pictures[-4:]:
        key = picture.path.rpartition(".")[0]
        generator = ("A", "B")[int(key[-1]) % 2] if picture.label else ""
        told = {"label": picture.label, "generator": generator}
        members += [
            (picture.path, (mini.root / picture.path).read_bytes()),
            (f"{key}.json", json.dumps(told).encode()),
        ]
    shard = packing.tar(tmp_path / "x.tar", members)
    opened: list[str] = []
    read = ShardStore.read
    monkeypatch.setattr(ShardStore, "read", lambda self, path: opened.append(path) or read(self, path))
    run = invoke(
        "run", "--data", shard, "--detectors", "random_score", "--bootstrap", "0", "--out", tmp_path / "run"
    )
    assert run.code == 0, run.err
    assert sorted(opened) == sorted({*opened})
    assert len(opened) == 7
    assert sum(len(read_cell(tmp_path / "run", cell)) for cell in cells(tmp_path / "run")) == 3 + 3 + 4


def test_a_shard_without_a_mark_at_its_end_is_warned_of(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shard = packing.tar(tmp_path / "x.tar", [*_labelled("0", png, 0), *_labelled("1", png, 1)])
    shard.write_bytes(shard.read_bytes()[: 4 * 1024])
    assert len(scan(shard)[0].pictures) == 2
    assert "it may have been cut short" in caplog.text


def test_compressed_shards_are_refused_with_the_reason(
    scan: Callable[..., list[TestSet]], tmp_path: Path
) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"compressed, so that no picture can be read by itself"):
        scan(tmp_path / "x.tar.gz")


def test_the_index_is_made_once_and_a_changed_shard_is_noticed(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = packing.tar(tmp_path / "x.tar", [*_labelled("0", png, 0), *_labelled("1", png, 1)])
    (first,) = scan(shard)
    with monkeypatch.context() as patch:
        patch.setattr(tar_shards, "open_file", None)
        (again,) = scan(shard)
    assert again.pictures == first.pictures
    indexes = [*Path(os.environ["D3QE_BENCH_DATA"]).rglob("*.parquet")]
    assert len(indexes) == 1
    # a changed byte of a picture, in place: whoever has read the index is not given other bytes
    content = bytearray(shard.read_bytes())
    content[512 + 20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(PictureError, match=r"x\.tar has other bytes than when it was indexed"):
        open_member(first, first.pictures[0])
    os.utime(shard, ns=(1, 1))
    (changed,) = scan(shard)
    assert fingerprint(changed).digest != fingerprint(first).digest
    # a damaged index is made again
    for index in Path(os.environ["D3QE_BENCH_DATA"]).rglob("*.parquet"):
        index.write_bytes(index.read_bytes()[:100])
    assert fingerprint(scan(shard)[0]) == fingerprint(changed)
    shard.unlink()
    with pytest.raises(PictureError, match="No such file"):
        open_member(changed, changed.pictures[0])


def test_of_several_that_begin_together_one_makes_the_index(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [m for n in range(40) for m in _labelled(f"{n}", png * 100, n % 2)]
    shard = packing.tar(tmp_path / "x.tar", members)
    opened: list[object] = []
    read = tar_shards.open_file
    monkeypatch.setattr(tar_shards, "open_file", lambda *file: opened.append(file) or read(*file))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: scan(shard)[0].pictures, range(4)))
    assert len({*found}) == len(opened) == 1
    assert [one.suffix for one in Path(os.environ["D3QE_BENCH_DATA"], "shards").iterdir()] == [".parquet"]


def test_an_index_that_cannot_be_kept_is_no_failure(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (tmp_path / "file").touch()
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "file"))
    shard = packing.tar(tmp_path / "x.tar", [*_labelled("0", png, 0), *_labelled("1", png, 1)])
    assert len(scan(shard)[0].pictures) == 2
    assert "cannot be kept" in caplog.text


def test_a_store_can_be_sent_to_another_process(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    (one,) = scan(packing.tar(tmp_path / "x.tar", [*_labelled("0", png, 0), *_labelled("1", png, 1)]))
    assert one.file(one.pictures[0]).read_bytes() == png
    sent = pickle.loads(pickle.dumps(one))
    assert sent.file(sent.pictures[1]).read_bytes() == png


def test_patterns_that_name_nothing_or_a_file_that_is_not_there(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    packing.tar(tmp_path / "x-0.tar", [*_labelled("0", png, 0), *_labelled("1", png, 1)])
    with pytest.raises(UserError, match=r"no folder, manifest or data set"):
        scan(tmp_path / "y-*.tar")
    with pytest.raises(UserError, match=r"names .*x-1\.tar, which is not there"):
        scan(tmp_path / "x-{0..1}.tar")
    packing.tar(tmp_path / "x-1.tar", [("2.png", png), ("2.cls", b"1")])
    (found,) = scan(f"mine={tmp_path}/x-{{0..1}}.tar")
    assert (found.name, len(found.pictures)) == ("mine", 3)
    (found,) = scan(tmp_path / "x-{0,1}.tar")
    assert found.name == "x"
    with pytest.raises(UserError, match="layout 'pair' reads folders of this machine only"):
        scan(tmp_path / "x-{0,1}.tar", layout="pair")


def _table(path: Path, image: object, label: object, **more: object) -> Path:
    table = pa.table({"image": image, "label": label, **more})
    pq.write_table(table, path)
    return path


def test_numbers_of_labels_mean_what_the_file_says_they_mean(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    table = pa.table({"image": pa.array([png, png + b"!"]), "label": [0, 1]})
    for names, labels in ((["fake", "real"], [1, 0]), (["real", "fake"], [0, 1])):
        note = json.dumps({"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}})
        pq.write_table(table.replace_schema_metadata({"huggingface": note}), tmp_path / "x.parquet")
        (found,) = scan(tmp_path / "x.parquet")
        assert [one.label for one in found.pictures] == labels
    note = json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"]}}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": note}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match="row 1: label 'cat' is not one of"):
        scan(tmp_path / "x.parquet")


def test_rows_have_names_that_tell_them_apart(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    def names(*paths: str | None) -> list[str]:
        image = [{"bytes": png, "path": path} for path in paths]
        (found,) = scan(_table(tmp_path / "x.parquet", image, list(range(len(paths)))))
        return [one.path for one in found.pictures]

    assert names("a/1.png", "b/1.png") == ["x.parquet/a/1.png", "x.parquet/b/1.png"]
    assert names("1.png", "1.png") == ["x.parquet/0000000/1.png", "x.parquet/0000001/1.png"]
    assert names("../1.png", "/root/2.png") == ["x.parquet/1.png", "x.parquet/2.png"]
    assert names(None, "2.png") == ["x.parquet/0000000", "x.parquet/0000001/2.png"]


def test_rows_without_bytes_are_listed_and_columns_can_be_named(
    scan: Callable[..., list[TestSet]], tmp_path: Path, png: bytes
) -> None:
    image = [
        {"bytes": png, "path": "0.png"},
        {"bytes": None, "path": "elsewhere/1.png"},
        None,
        {"bytes": b""},
    ]
    table = _table(tmp_path / "x.parquet", image, ["real", "fake", "fake", "fake"])
    (found,) = scan(table)
    reasons = []
    for picture in found.pictures[1:]:
        with pytest.raises(PictureError) as caught:
            open_member(found, picture)
        reasons.append(str(caught.value))
    assert reasons == ["no bytes of the picture in its row"] * 2 + ["empty file (0 bytes)"]
    two = _table(tmp_path / "y.parquet", [png], [0], mask=[b"m"], jpg=[png], fake=["1"])
    with pytest.raises(
        UserError, match="columns image, mask, jpg hold bytes: choose one with the option image"
    ):
        scan(two)
    with pytest.raises(UserError, match=r"has no column 'labels'.*'label'"):
        scan(two, options={"image": "jpg", "label": "labels"})
    with pytest.raises(UserError, match="holds no bytes of pictures"):
        scan(two, options={"image": "fake"})
    with pytest.raises(UserError, match="has no label"):
        scan(_table(tmp_path / "z.parquet", [png, png], ["real", None]))


def test_row_groups_are_read_one_at_a_time_and_few_are_kept(
    scan: Callable[..., list[TestSet]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = scan_mini()[:1]
    (found,) = scan(packing.parquet(sets, tmp_path / "x.parquet", group=40))
    asked: list[int] = []
    read = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, group, columns: asked.append(group) or read(self, group, columns),
    )
    monkeypatch.setattr("benchmarks.datasets.parquet_pictures.KEPT_BYTES", 1)
    _row_groups.forget()
    for picture, original in zip(found.pictures, sets[0].pictures, strict=True):
        assert found.file(picture).read_bytes() == (sets[0].root / original.path).read_bytes()
    assert asked == list(range(10))
