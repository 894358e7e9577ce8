"""Data at addresses: an S3 server and a web server on this machine, memory, and what servers do wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from benchmarks import credentials, download, remote
from benchmarks.datasets import find_test_sets, fingerprint
from benchmarks.mini.dataset import scan as scan_mini
from benchmarks.pictures import PictureError, open_member
from benchmarks.runfolder.scores import cells, read_cell
from registry import Catalogs, TestSet, UserError
from tests.conftest import Invoke
from tests.datasets import packing, stores
from tests.datasets.stores import Served
from tests.datasets.test_shards import _rows

Scan = Callable[..., list[TestSet]]
SECRET = "do-not-write-this-down"


@pytest.fixture(autouse=True)
def pauses(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made before other attempts, in no time."""
    made: list[float] = []
    monkeypatch.setattr(download, "wait", made.append)
    monkeypatch.setattr(remote, "_opened", {})
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path_factory.mktemp("indexes")))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def scan(catalogs: Catalogs) -> Scan:
    return lambda *data, **options: find_test_sets(catalogs.datasets, list(map(str, data)), **options)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, Callable[[str, bytes], None]]]:
    """A bucket `bkt` and what puts something there."""
    import boto3

    with stores.s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.client("s3")
        client.create_bucket(Bucket="bkt")
        yield server, lambda key, body: client.put_object(Bucket="bkt", Key=key, Body=body)
        client.close()
        fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture
def memory() -> Iterator[Callable[[str, bytes], None]]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield lambda path, content: system.pipe_file(f"/{path}", content)
    system.store.clear()


def _folder(make: Callable[[str, bytes], None], top: str, test_set: TestSet, count: int = 3) -> None:
    """A generator's class folders of the first pictures of a test set."""
    for picture in test_set.pictures:
        if int(picture.path.rpartition("/")[2].partition(".")[0]) < count:
            make(f"{top}/{picture.path.partition('/')[2]}", (test_set.root / picture.path).read_bytes())


def test_scores_from_a_bucket_and_a_web_server_are_those_of_the_plain_folder(
    invoke: Invoke, tmp_path: Path, bucket: tuple[Served, Callable[[str, bytes], None]]
) -> None:
    server, put = bucket
    sets = scan_mini()[:1]
    for shard in packing.shards(sets, tmp_path / "tars", each=250).iterdir():
        put(f"mini/{shard.name}", shard.read_bytes())
    packing.parquet(sets, tmp_path / "web/some rows.parquet", group=64)
    asked = [
        "--detectors",
        "random_score",
        "--perturb",
        "crop:0.8",
        "--limit",
        "4",
        "--bootstrap",
        "0",
    ]
    first = invoke("run", "--data", "mini", "--generators", "raster", *asked, "--out", tmp_path / "mini")
    assert first.code == 0, first.err
    expected = _rows(tmp_path / "mini")
    assert len(expected) == 2 * 8
    with stores.web(tmp_path / "web") as site:
        for name, data in {
            "folder": "s3://bkt/mini",
            "braces": "s3://bkt/mini/test-{000000..000001}.tar",
            "web": f"{site.address}/some%20rows.parquet",
        }.items():
            out = tmp_path / name
            # in processes of its own, which a connection does not survive
            workers = ["--workers", "1"] if name != "folder" else []
            found = invoke("run", "--data", data, *asked, *workers, "--out", out)
            assert found.code == 0, found.err
            assert _rows(out) == expected
            written = "".join(file.read_text() for file in out.rglob("*.json"))
            assert data in written
            assert SECRET not in written + found.out + found.err
        # the whole of each shard was read once, for its index
        before = server.count("/mini/")
        assert invoke("run", "--data", "s3://bkt/mini", *asked, "--out", tmp_path / "again").code == 0
        assert server.count("test-") - before <= 8
        predicted = invoke(
            "predict", "s3://bkt/mini/test-000001.tar", f"{site.address}/*.parquet",
            "--detectors", "random_score", "--format", "json",
        )  # fmt: skip
        assert predicted.code == 0, predicted.err
        assert len(json.loads(predicted.out)) == 150 + 400


def test_folders_and_manifests_at_addresses(
    scan: Scan,
    tmp_path: Path,
    bucket: tuple[Served, Callable[[str, bytes], None]],
    memory: Callable[[str, bytes], None],
) -> None:
    _, put = bucket
    (mini,) = scan_mini(split="val")

    def save(path: str, content: bytes) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    for make in (put, memory, save):
        _folder(make, "sets/AR/my model", mini)
        _folder(make, "sets/GAN/other", mini)
        paths = [f"{folder}/{n:04}.webp" for folder in ("0_real", "1_fake") for n in range(3)]
        rows = "".join(f"GAN/other/{path},{int('fake' in path)}\n" for path in [*paths, "1_fake/gone.webp"])
        make("sets/list.csv", f"path,label\n{rows}".encode())
    with stores.web(tmp_path) as site:
        plain = scan(tmp_path / "sets", layout="paradigms")
        assert [one.name for one in plain] == ["AR/my model", "GAN/other"]
        for root in ("s3://bkt/sets", "memory://sets", f"{site.address}/sets/"):
            found = scan(root)
            assert [(one.name, one.paradigm, one.pictures) for one in found] == [
                (one.name, one.paradigm, one.pictures) for one in plain
            ]
            assert [fingerprint(one) for one in found] == [fingerprint(one) for one in plain]
            assert [fingerprint(one, "names") for one in found] == [
                fingerprint(one, "names") for one in plain
            ]
            for list_ in (f"{root.rstrip('/')}/list.csv", tmp_path / "sets/list.csv"):
                (listed,) = scan(f"x={list_}", options={"pictures": root})
                assert (listed.name, len(listed.pictures)) == ("x", 7)
                assert open_member(listed, listed.pictures[0]).size == (64, 64)
                with pytest.raises(PictureError, match="there is no such file"):
                    open_member(listed, listed.pictures[-1])
            (listed,) = scan(f"{root.rstrip('/')}/list.csv")
            assert fingerprint(listed).digest == fingerprint(scan(tmp_path / "sets/list.csv")[0]).digest


def test_what_passes_is_tried_again_and_what_stays_is_a_row_with_the_reason(
    invoke: Invoke, tmp_path: Path, bucket: tuple[Served, Callable[[str, bytes], None]], pauses: list[float]
) -> None:
    server, put = bucket
    (mini,) = scan_mini(split="val")
    _folder(put, "x", mini)
    run = [
        "run",
        "--data",
        "s3://bkt/x",
        "--detectors",
        "random_score",
        "--bootstrap",
        "0",
        "--fingerprint",
        "names",
    ]
    server.wrong.extend(
        [("0001.webp", 503)] * 3 + [("0001.webp", "cut"), ("0002.webp", "cut"), ("0002.webp", 500)]
    )
    found = invoke(*run, "--out", tmp_path / "run")
    assert found.code == 0, found.err
    assert not server.wrong
    # each longer than the one before, in spite of chance, where nothing in between went well
    assert len(pauses) == 6
    assert pauses[0] < pauses[2] < pauses[3] * 2
    pauses.clear()
    server.wrong.extend([("0001.webp", 503)] * 5 + [("0_real/0002.webp", 403)])
    found = invoke(*run, "--out", tmp_path / "failed")
    assert found.code == 1
    frame = read_cell(tmp_path / "failed", next(cells(tmp_path / "failed"))).set_index("path")
    reasons = frame["error"].dropna().to_dict()
    assert reasons["0_real/0001.webp"] == "the server answers 503, 5 times in a row"
    assert reasons["0_real/0002.webp"].startswith(
        "the server refuses it; credentials come from the environment only"
    )
    assert len(reasons) == 2
    # another go mends what is mended
    assert invoke(*run, "--out", tmp_path / "failed").code == 0


def test_half_an_answer_or_another_part_is_never_taken_for_the_whole(
    scan: Scan, tmp_path: Path, png: bytes, pauses: list[float]
) -> None:
    sets = scan_mini()[:1]
    packing.shards(sets, tmp_path, each=400)
    with stores.web(tmp_path) as site:
        site.wrong.extend([("test", "cut"), ("test", 429), ("test", 502)])
        (found,) = scan(f"{site.address}/test-000000.tar")
        assert len(pauses) == 3
        first = found.pictures[0]
        content = (sets[0].root / sets[0].pictures[0].path).read_bytes()
        site.wrong.extend([("test", "cut"), ("test", 503)])
        assert found.file(first).read_bytes() == content
        site.wrong.append(("test", "whole"))
        with pytest.raises(PictureError, match="sends other parts of a file than it is asked for"):
            open_member(found, first)
        # another file in its place
        packing.tar(
            tmp_path / "test-000000.tar",
            [("0.png", png), ("0.cls", b"0"), ("1.png", png * 99), ("1.cls", b"1")],
        )
        with pytest.raises(PictureError, match=r"has other bytes|answers 416|sends other parts"):
            open_member(found, first)
        (changed,) = scan(f"{site.address}/test-000000.tar")
        assert len(changed.pictures) == 2


def test_a_server_that_is_gone_or_refuses_is_one_line(
    scan: Scan,
    bucket: tuple[Served, Callable[[str, bytes], None]],
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
) -> None:
    _, put = bucket
    put("x.tar", b"")
    with pytest.raises(UserError, match="no folder, manifest or data set 's3://bkt/nothing'"):
        scan("s3://bkt/nothing")
    with pytest.raises(UserError, match=r"x\.tar is damaged or not complete"):
        scan("s3://bkt/x.tar")
    monkeypatch.setattr(remote, "_opened", {})
    with stores.web(Path("/nowhere")) as site:
        gone = site.address
    with pytest.raises(UserError, match=r"cannot be read: the connection failed \(\w+\), 5 times in a row"):
        scan(f"{gone}/x.tar")
    assert len(pauses) == 4
    with pytest.raises(
        UserError, match=r"nothing here reads s4:// addresses, did you mean 's3'|nothing here reads s4"
    ):
        scan("s4://b/x.tar")
    with pytest.raises(UserError, match="nothing here reads reference"):
        scan("reference://x")


@pytest.mark.parametrize(
    "address",
    [
        f"s3://somebody:{SECRET}@bkt/x.tar",
        f"s3://{SECRET}@bkt/x.tar",
        f"https://user:{SECRET}@host/x.tar",
        f"https://host/x.tar?X-Amz-Credential=me&X-Amz-Signature={SECRET}",
        f"https://host/x.tar?sv=2024&sig={SECRET}",
        f"https://host/x.tar?access_token={SECRET}",
        f"https://host/x.tar?AWSAccessKeyId={SECRET}",
        f"simplecache::https://host/x.tar?token={SECRET}",
    ],
)
def test_credentials_in_addresses_and_options_are_refused_and_not_repeated(
    invoke: Invoke, tmp_path: Path, address: str
) -> None:
    for command in (
        ["run", "--data", address, "--detectors", "random_score", "--out", tmp_path / "run"],
        ["run", "--data", f"VAR={address}", "--detectors", "random_score", "--out", tmp_path / "run"],
        ["audit", address],
        ["predict", address, "--detectors", "random_score"],
    ):
        found = invoke(*command)
        assert found.code == 2
        assert "credentials come from the environment only" in found.err
        assert SECRET not in found.err + found.out
    written = [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
    assert SECRET not in "".join(written)


@pytest.mark.parametrize(
    "option", ["key", "secret", "aws_secret_access_key", "token", "password", "account-key"]
)
def test_credentials_among_the_options_are_refused(invoke: Invoke, tmp_path: Path, option: str) -> None:
    asked = [
        "run",
        "--data",
        "s3://bkt/x",
        "--data-option",
        f"{option}={SECRET}",
        "--detectors",
        "random_score",
    ]
    found = invoke(*asked, "--out", tmp_path / "run")
    assert (found.code, SECRET in found.err + found.out) == (2, False)
    assert f"the option '{option}' is a key or password" in found.err
    assert not [*tmp_path.rglob("run.json")]


def test_names_that_are_no_secrets_are_taken() -> None:
    for text in (
        "ssh://me@host/x",
        "https://host/x?design=1&keyword=a&download=true",
        "hf://datasets/a/b@main/x",
        "abfs://container@account.dfs.core.windows.net/x",
        "github://owner:repository@main/x",
    ):
        credentials.refuse_credentials(text)
    credentials.refuse_secret_options({"tokens": 1, "split": "val", "keys": {"a": 2}})
    with pytest.raises(UserError, match="the option 'secret' is a key or password"):
        credentials.refuse_secret_options({"client_kwargs": {"secret": SECRET}})


def test_a_listing_cannot_name_what_does_not_lie_below_it(
    scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fsspec.implementations.memory.MemoryFileSystem.find",
        lambda self, path, detail: {f"{path}/../secret.png": {"type": "file", "size": 1}},
    )
    fsspec.filesystem("memory").pipe_file("/sets/0_real/1.png", b"x")
    with pytest.raises(UserError, match="is no file below it"):
        scan("memory://sets")
    fsspec.filesystem("memory").store.clear()


def test_local_addresses_are_paths(
    scan: Scan, tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing.tar(tmp_path / "a b.tar", [("0.png", png), ("0.cls", b"0"), ("1.png", png), ("1.cls", b"1")])
    (found,) = scan(f"file://{tmp_path}/a%20b.tar")
    assert found.root == tmp_path
    (tmp_path / "a b.tar").rename(tmp_path / "s3::x.tar")
    monkeypatch.chdir(tmp_path)
    assert len(scan("s3::x.tar")[0].pictures) == 2


def test_without_what_reads_an_address_the_way_to_get_it_is_said(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from benchmarks.storage import find\n"
        "try: find('s3://bkt/x')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "UserError s3:// addresses need `pip install 'd3qe-bench[remote]'`" in done.stdout
