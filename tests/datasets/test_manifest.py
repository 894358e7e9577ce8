"""Manifests: which test sets their rows make, and what is refused with its row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.datasets import find_test_sets
from registry import Catalogs, UserError


def write(folder: Path, rows: list[dict], suffix: str = "csv") -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"list.{suffix}"
    frame = pd.DataFrame(rows)
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("real", "fake"), [(0, 1), ("real", "Fake"), (0.0, 1.0), (False, True)])
def test_path_and_label_are_enough(catalogs: Catalogs, tmp_path: Path, suffix: str, real, fake) -> None:
    rows = [{"path": "b é.png", "label": fake}, {"path": "x/../a.b.png", "label": real}]
    (found,) = find_test_sets(catalogs.datasets, [write(tmp_path, rows, suffix)])
    assert (found.name, found.generator, found.paradigm) == ("list", "list", "unknown")
    assert [(p.path, p.label) for p in found.pictures] == [("a.b.png", 0), ("b é.png", 1)]
    assert found.root == tmp_path


def test_one_set_per_generator_shares_real_pictures_without_one(catalogs: Catalogs, tmp_path: Path) -> None:
    rows = [
        {"path": "r.png", "label": 0, "generator": ""},
        {"path": "v.png", "label": 1, "generator": "VAR"},
        {"path": "s.png", "label": 1, "generator": "SDXL"},
        {"path": "s_real.png", "label": 0, "generator": "SDXL"},
    ]
    sets = find_test_sets(catalogs.datasets, [write(tmp_path, rows)])
    assert [(s.name, s.paradigm, s.count(0), s.count(1)) for s in sets] == [
        ("SDXL", "diffusion", 2, 1),
        ("VAR", "AR", 1, 1),
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_dataset_and_paradigm_columns_come_first(catalogs: Catalogs, tmp_path: Path, suffix: str) -> None:
    rows = [
        {"path": "1.png", "label": 1, "generator": "New", "paradigm": "AR", "dataset": "A/x"},
        {"path": "2.png", "label": 0, "generator": None, "paradigm": None, "dataset": "A/x"},
        {"path": "3.png", "label": 1, "generator": "VAR", "paradigm": None, "dataset": "B"},
        {"path": "4.png", "label": 1, "generator": "RAR", "paradigm": None, "dataset": "B"},
        {"path": "2.png", "label": 0, "generator": "camera", "paradigm": None, "dataset": "B"},
    ]
    sets = find_test_sets(catalogs.datasets, [write(tmp_path, rows, suffix)])
    assert [(s.name, s.generator, s.paradigm) for s in sets] == [
        ("A/x", "New", "AR"),
        ("B", "mixed", "unknown"),
    ]


def test_paths_may_start_from_another_folder_and_be_absolute_inside_it(
    catalogs: Catalogs, tmp_path: Path
) -> None:
    base = tmp_path / "pictures"
    base.mkdir()
    rows = [{"path": str(base / "a.png"), "label": 0}, {"path": "b.png", "label": 1}]
    spec = write(tmp_path / "lists", rows)
    (found,) = find_test_sets(catalogs.datasets, [spec], options={"pictures": str(base)})
    assert found.root == base
    assert [p.path for p in found.pictures] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"path": "../x.png", "label": 0}, r"row 3: path '../x.png' leaves the picture folder"),
        ({"path": "a/../../x.png", "label": 0}, r"row 3: .* leaves"),
        ({"path": "/etc/x.png", "label": 0}, r"row 3: path '/etc/x.png' leaves"),
        ({"path": "", "label": 0}, r"row 3: empty path"),
        (
            {"path": "c.png", "label": "reel"},
            r"row 3: label 'reel' is not one of 0, 1, real, fake, did you mean 'real'",
        ),
        ({"path": "c.png", "label": ""}, r"row 3: label ''"),
        ({"path": "./a.png", "label": 0}, r"rows 1 and 3 of test set 'list' are the same picture"),
        ({"path": "link/x.png", "label": 0}, r"row 3: .* is a link to"),
    ],
)
def test_a_bad_row_is_named(catalogs: Catalogs, tmp_path: Path, bad: dict, message: str) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "link").symlink_to("/")
    rows = [{"path": "a.png", "label": 0}, {"path": "b.png", "label": 1}, bad]
    with pytest.raises(UserError, match=message):
        find_test_sets(catalogs.datasets, [write(folder, rows)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\na.png,0\n", r"no column 'path' \(its columns: file, label\)"),
        ("path,label\n", "lists no pictures"),
        ("", "cannot be read as a table"),
        ("path,label\na.png,0\n", "test set 'list' has no fake pictures"),
        (
            "path,label,paradigm\na.png,0,\nb.png,1,Gan\n",
            r"paradigm 'Gan' of generator 'row 2' .*did you mean 'GAN'",
        ),
        ("path,label\na.png,0\nb.png,1,2,3\n", "cannot be read as a table"),
    ],
)
def test_a_bad_table_is_refused(catalogs: Catalogs, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        find_test_sets(catalogs.datasets, [str(path)])


def test_a_file_that_is_no_parquet_is_refused(catalogs: Catalogs, tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    path.write_text("path,label\n")
    with pytest.raises(UserError, match="cannot be read as a table"):
        find_test_sets(catalogs.datasets, [str(path)])


def test_a_null_character_in_a_path_is_refused_with_its_row(catalogs: Catalogs, tmp_path: Path) -> None:
    """It would end in a traceback where the file is opened."""
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(b"path,label\na.png,0\nb\x00.png,1\n")
    with pytest.raises(UserError, match=r"row 2: path 'b\\x00.png' is none"):
        find_test_sets(catalogs.datasets, [str(manifest)])
