"""Digests of the pictures of a run: what several test sets share can be told."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from benchmarks.runfolder.picture_digests import picture_digests
from benchmarks.runfolder.scores import read_scores
from registry import UserError
from tests.conftest import Invoke
from tests.pictures import make_class_folders

OLD = Path(__file__).parents[1] / "fixtures" / "runs" / "schema-1"


def test_shared_pictures_are_known_by_content(invoke: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for seed, name in enumerate(("VAR", "Ü 図")):
        make_class_folders(data / name, count=5, seed=seed * 50)
    shared = next((data / "VAR" / "0_real").iterdir())
    shutil.copy(shared, data / "Ü 図" / "0_real" / "copy of it.png")
    arguments = ["run", "--data", data, "--detectors", "random_score", "--bootstrap", "0"]
    assert invoke(*arguments, "--out", tmp_path / "run").code == 0

    found = picture_digests(tmp_path / "run")

    assert found is not None
    rows = read_scores(tmp_path / "run")
    assert {*zip(found["dataset"], found["path"], strict=True)} == {
        *zip(rows["dataset"], rows["path"], strict=True)
    }
    for row in found.itertuples():
        assert row.sha256 == hashlib.sha256((data / str(row.path)).read_bytes()).digest()
    twice = found[found.duplicated("sha256", keep=False)]
    assert {Path(path).name for path in twice["path"]} == {shared.name, "copy of it.png"}
    assert twice["dataset"].nunique() == 2


def test_runs_without_digests_have_none(invoke: Invoke, tmp_path: Path) -> None:
    assert picture_digests(OLD) is None
    make_class_folders(tmp_path / "data" / "VAR", count=5)
    arguments = ["run", "--data", tmp_path / "data", "--detectors", "random_score", "--bootstrap", "0"]
    assert invoke(*arguments, "--out", tmp_path / "run", "--fingerprint", "names").code == 0
    assert picture_digests(tmp_path / "run") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pictures" / "dataset=x" / "digests.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"digests\.parquet cannot be read"):
        picture_digests(tmp_path)
