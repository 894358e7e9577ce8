"""Published data sets from the first byte to scores: a rehearsal against a hub on this machine."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.datasets import find_test_sets, fingerprint, prepared
from benchmarks.datasets.prepared import PreparedSet, read_index, scan
from benchmarks.datasets.published import PublishedSet, published_set, published_sets
from registry import UserError, load_plugins
from tests.conftest import Command, Invoked
from tests.datasets.servers import hub_of
from tests.datasets.test_archives import split_volumes
from tests.pictures import make_class_folders, make_picture

GENERATORS = ("Infinity", "Janus_Pro", "RAR", "Switti", "VAR", "LlamaGen", "Open_MAGVIT2")


def arforensics(folder: Path, generators: tuple[str, ...] = GENERATORS, count: int = 2) -> Path:
    """A tree of ARForensics' shape with odd names and one broken picture."""
    for number, name in enumerate(generators):
        make_class_folders(folder / "test" / name, count, seed=100 * number)
    make_class_folders(folder / "val", 1, seed=9000)
    make_picture(7, 0).save(folder / "test" / generators[0] / "0_real" / "naïve (1).v2.final.png")
    (folder / "test" / generators[0] / "1_fake" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


def zipped(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return stream.getvalue()


def in_parts(folder: Path) -> dict[str, bytes]:
    """The tree as a split zip of three volumes or more."""
    whole = zipped(folder)
    volumes = split_volumes(whole, len(whole) // 3)
    names = [f"ARForensics.z{number:02}" for number in range(1, len(volumes))] + ["ARForensics.zip"]
    return dict(zip(names, volumes, strict=True))


def test_three_commands_from_an_empty_folder(tmp_path: Path, command: Command) -> None:
    files = in_parts(arforensics(tmp_path / "made" / "ARForensics"))
    with hub_of("Yanran21/ARForensics", {"README.md": b"# ARForensics", **files}) as hub:
        environment = {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(tmp_path / "hub"),
            "D3QE_BENCH_DATA": str(tmp_path / "data"),
        }
        refused = command("data", "get", "arforensics", env=environment)
        assert refused.returncode == 2
        assert "licence: MIT" in refused.stdout
        assert "add --yes if you accept them" in refused.stderr
        assert not (tmp_path / "data").exists(), "nothing is fetched before the terms are accepted"

        hub.cut = "ARForensics.z01"
        got = command("data", "get", "ARForensics", "--yes", env=environment)
        assert not hub.cut, "the connection was cut, and what had come was kept"
        assert got.returncode == 1, got.stderr
        assert "VAR: 2 real, 2 generated" in got.stdout
        assert "ARForensics: VAR has 2 real pictures instead of 6,000" in got.stderr

        asked = len(hub.asked)
        again = command("data", "get", "ARForensics", "--yes", env=environment)
        assert not [path for path in hub.asked[asked:] if "/resolve/" in path], "what is there stays"
        assert again.returncode == 1

    verified = command("data", "verify", "ARForensics", env=environment)
    assert "missing" not in verified.stderr
    assert "changed" not in verified.stderr
    out = tmp_path / "run"
    run = command(
        "run",
        "--data",
        "ARForensics",
        "--detectors",
        "random_score",
        "--bootstrap",
        "0",
        "--out",
        out,
        env=environment,
    )
    assert run.returncode == 1, "one picture is broken"
    assert "broken.png" in run.stderr
    rows = pd.read_parquet(out / "scores")
    assert len(rows) == 7 * 4 + 2
    assert json.loads((out / "run.json").read_text())["datasets"]["Infinity"]["asked"] == {
        "real": 3,
        "fake": 3,
    }


def test_the_first_upload_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]
) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    tree = arforensics(tmp_path / "ARForensics", tuple("MAR" if g == "Switti" else g for g in GENERATORS))
    done = invoke("data", "prepare", "ARForensics", tree)
    assert done.code == 1
    assert "first upload, with MAR in place of Switti" in done.err


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]) -> Path:
    """The tree of a prepared data set."""
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    tree = arforensics(tmp_path / "ARForensics")
    assert invoke("data", "prepare", "ARForensics", tree).code == 1
    return tree


def test_an_index_saves_walking_and_hashing(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "iterdir", lambda self: pytest.fail("walked"))
    sets = {one.name: one for one in find_test_sets(load_plugins().datasets, ["ARForensics"])}
    assert set(sets) == set(GENERATORS)
    assert sets["VAR"].paradigm == "AR"
    assert all(len(picture.sha256) == 64 and picture.size > 0 for picture in sets["VAR"].pictures)
    table = read_index(PreparedSet("ARForensics").index, "ARForensics").rows
    formats = dict(zip(table["path"].to_pylist(), table["format"].to_pylist(), strict=True))
    assert formats.pop("test/Infinity/1_fake/broken.png") == ""
    assert set(formats.values()) == {"PNG"}


def test_a_run_hashes_nothing_of_an_indexed_set(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = {one.name: one for one in find_test_sets(load_plugins().datasets, ["ARForensics"])}
    walked = {one.name: one for one in find_test_sets(load_plugins().datasets, [str(ready)])}
    expected = fingerprint(walked["VAR"])
    module = sys.modules["benchmarks.datasets.fingerprint"]  # its name is the function's, too
    monkeypatch.setattr(module, "sha256", lambda path: pytest.fail("hashed"))
    assert fingerprint(by_name["VAR"]) == expected
    first = ready / by_name["VAR"].pictures[0].path
    first.write_bytes(first.read_bytes() + b"more")
    with pytest.raises(UserError, match="when its data set was indexed: `d3qe-bench data verify`"):
        fingerprint(by_name["VAR"])


def test_verify_names_what_is_missing_extra_or_changed(ready: Path, invoke: type[Invoked]) -> None:
    folder = ready / "test" / "VAR" / "0_real"
    first, second = sorted(folder.iterdir())
    first.unlink()
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(bytes(content))
    make_picture(1, 0).save(folder / "new.png")
    found = invoke("data", "verify", "ARForensics")
    assert found.code == 1
    for line in (f"missing: test/VAR/0_real/{first.name}", f"changed: test/VAR/0_real/{second.name}"):
        assert line in found.err
    assert "extra: test/VAR/0_real/new.png" in found.err
    quick = invoke("data", "verify", "ARForensics", "--quick")
    assert "changed" not in quick.err
    assert "missing" in quick.err


def test_a_damaged_index_is_one_line(ready: Path, invoke: type[Invoked]) -> None:
    PreparedSet("ARForensics").index.write_bytes(b"PAR1 no more")
    found = invoke("data", "verify", "ARForensics")
    assert found.code == 2
    assert "is damaged" in found.err
    assert "Traceback" not in found.err


def test_what_is_not_here_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]
) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path))
    found = invoke("run", "--data", "ForenSynths", "--detectors", "random_score", "--out", tmp_path / "run")
    assert found.code == 2
    assert "data prepare ForenSynths FOLDER" in found.err
    got = invoke("data", "get", "ForenSynths", "--yes")
    assert got.code == 2
    assert "cannot be fetched by a program: get it at https://github.com/PeterWang512/CNNDetection" in got.err
    assert "did you mean 'GenImage'" in invoke("data", "info", "genimagee").err
    assert invoke("data", "list").code == 0


def test_offline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids" in invoke("data", "get", "ARForensics", "--yes").err


def test_generators_beside_shared_real_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]
) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    for number, name in enumerate(("real", "var_d20", "rar_l")):
        (tmp_path / "darg" / "c2i" / name / "n01440764").mkdir(parents=True)
        for picture in range(2):
            image = make_picture(10 * number + picture, int(number > 0))
            image.save(tmp_path / "darg" / "c2i" / name / "n01440764" / f"{picture}.png")
    assert invoke("data", "prepare", "DARG", tmp_path / "darg").code == 0
    sets = {one.name: one for one in scan("DARG")}
    assert set(sets) == {"c2i/rar_l", "c2i/var_d20"}
    assert [p.path for p in sets["c2i/var_d20"].pictures if p.label == 0] == [
        "c2i/real/n01440764/0.png",
        "c2i/real/n01440764/1.png",
    ]


def test_sets_without_real_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: type[Invoked]
) -> None:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    for number, name in enumerate(("unified/GoT", "closed/Imagen", "diffusion/Flux")):
        (tmp_path / "set" / name).mkdir(parents=True)
        make_picture(number, 1).save(tmp_path / "set" / name / "0.png")
    assert invoke("data", "prepare", "T2I-CoReBench-Images", tmp_path / "set").code == 0
    assert {one.name: one.paradigm for one in scan("T2I-CoReBench-Images")} == {
        "unified/GoT": "unified",
        "closed/Imagen": "closed",
        "diffusion/Flux": "diffusion",
    }


@pytest.mark.parametrize("name", published_sets())
def test_every_entry_can_be_read_by_its_layout(name: str) -> None:
    one = published_set(name)
    entry = load_plugins().datasets.entry(one.layout)
    assert entry.card.layout
    load_plugins().datasets.check_options(one.layout, entry.load(), one.options)
    assert one.page.startswith("https://")


def test_a_file_name_from_the_hub_cannot_leave_the_folder(tmp_path: Path) -> None:
    from benchmarks.commands.data_command import _below

    with pytest.raises(UserError, match="leaves the data folder"):
        _below(tmp_path, "../../etc/passwd")


def test_published_facts_are_strict() -> None:
    with pytest.raises(ValueError, match="extra"):
        PublishedSet(**{**published_set("DARG").model_dump(), "licens": "MIT"})
    assert prepared.SCHEMA == 2
