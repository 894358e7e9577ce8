"""`new-detector` refuses bad names, overwrites nothing, and writes all or nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.scaffold import new_detector
from registry import Catalogs, DetectorCard, UserError
from registry.catalog import Entry


@pytest.fixture
def catalogs() -> Catalogs:
    found = Catalogs()
    found.detectors.add(Entry("taken", dict, DetectorCard(), "someone 1.0"))
    return found


def test_the_package_is_whole(tmp_path: Path, catalogs: Catalogs) -> None:
    folder = new_detector("edge_noise", tmp_path, catalogs)
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    assert files == [
        "README.md",
        "edge_noise/__init__.py",
        "edge_noise/detector.py",
        "pyproject.toml",
        "setup.cfg",
        "tests/test_edge_noise.py",
    ]
    for file in folder.rglob("*.py"):
        ast.parse(file.read_text())
    everything = "".join(file.read_text() for file in folder.rglob("*") if file.is_file())
    assert "class EdgeNoise(Detector)" in everything
    assert "{{" not in everything
    assert [path.name for path in tmp_path.iterdir()] == ["edge_noise"], "no draft is left behind"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My-Detector", "such as my_detector"),
        ("9lives", "a letter first"),
        ("", "cannot name a Python package"),
        ("class", "no keyword"),
        ("../escape", "such as escape"),
        ("a b", "such as a_b"),
        ("taken", "already registered by someone 1.0"),
        ("json", "a Python package 'json' is already installed"),
    ],
)
def test_bad_names_are_refused(tmp_path: Path, catalogs: Catalogs, name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        new_detector(name, tmp_path, catalogs)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, catalogs: Catalogs) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "link"):
        with pytest.raises(UserError, match="exists; nothing was written"):
            new_detector(name, tmp_path, catalogs)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_failure_half_way_leaves_nothing(
    tmp_path: Path, catalogs: Catalogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space left"):
        new_detector("edge_noise", tmp_path, catalogs)
    assert list(tmp_path.iterdir()) == []
