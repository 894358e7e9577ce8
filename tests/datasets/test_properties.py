"""Any tree, any manifest, any settings: every picture found once with its label, what was written is read, or it is said."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.config import RunSettings, parse_settings, read_settings
from benchmarks.datasets import find_test_sets
from registry import Catalogs, UserError, load_plugins

CATALOGS: Catalogs = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})
few = settings(max_examples=30)

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
files = names.filter(lambda name: not name.startswith(".")).map(lambda name: f"{name}.png")
trees = st.lists(
    st.tuples(st.sampled_from(["0_real", "1_fake"]), st.sampled_from(["", "deep", "deep/er"]), files),
    max_size=12,
    unique=True,
)


@few
@given(trees)
def test_every_picture_of_a_tree_is_found_once_with_its_label(tree: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "VAR"
        for label, below, file in [*tree, ("0_real", "", "a.png"), ("1_fake", "", "a.png")]:
            path = root.joinpath(label, below, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        written = {path.relative_to(folder).as_posix() for path in root.rglob("*") if path.is_file()}

        (found,) = find_test_sets(CATALOGS.datasets, [folder])

        listed = [(found.root / picture.path).relative_to(folder).as_posix() for picture in found.pictures]
        assert sorted(listed) == sorted(written)
        assert all((picture.label == 1) == ("1_fake/" in picture.path) for picture in found.pictures)


rows = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.text(max_size=16),
            "label": st.sampled_from(["0", "1", "real", "fake"]),
            "generator": st.just("VAR"),
        }
    ),
    max_size=8,
)


@few
@given(rows, st.sampled_from(["csv", "parquet"]))
def test_a_manifest_is_read_as_it_was_written_or_refused(table: list[dict[str, str]], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        given_rows = [
            *table,
            {"path": "a.png", "label": "0", "generator": "VAR"},
            {"path": "b.png", "label": "1", "generator": "VAR"},
        ]
        manifest = Path(folder) / f"list.{suffix}"
        frame = pd.DataFrame(given_rows)
        try:
            frame.to_csv(manifest, index=False) if suffix == "csv" else frame.to_parquet(manifest)
        except ValueError:
            return  # half a character of another writing: no file can hold it
        try:
            (found,) = find_test_sets(CATALOGS.datasets, [str(manifest)])
        except UserError as error:
            if "\n" in str(error):
                raise
            return
        labels = [int(row["label"] in ("1", "fake")) for row in given_rows]
        assert len(found.pictures) == len(given_rows)
        assert sorted(picture.label for picture in found.pictures) == sorted(labels)


@few
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "data": st.lists(st.text(max_size=9), max_size=3),
            "detectors": st.lists(
                names.map(lambda name: {"name": name}), max_size=3, unique_by=lambda one: one["name"]
            ),
            "perturbations": st.lists(st.text(max_size=9), max_size=3),
            "seed": st.integers(0, 2**31),
            "batch_size": st.integers(1, 512),
            "fpr": st.one_of(st.none(), st.floats(1e-6, 0.99)),
            "flush_seconds": st.floats(0.01, 1e6),
            "device": st.text(max_size=9),
            "clean": st.booleans(),
            "paradigms": st.dictionaries(names, st.sampled_from(["AR", "GAN"]), max_size=2),
        },
    )
)
def test_settings_come_back_from_yaml_as_they_were(values: dict[str, object]) -> None:
    asked = parse_settings(RunSettings, values)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(asked.model_dump(mode="json"), allow_unicode=True), encoding="utf-8")
        try:
            assert parse_settings(RunSettings, read_settings(config)) == asked
        except UserError as error:
            if "is not YAML" not in str(error):
                raise
