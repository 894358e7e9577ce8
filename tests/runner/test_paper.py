"""The configurations of the D³QE paper's tables: everything that they name exists and fits together."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.config import RunSettings, parse_settings, read_settings
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.datasets.published import published_set
from benchmarks.loading import load_catalogs
from benchmarks.loading.needs import weights_needed
from benchmarks.perturbations import parse_perturbation
from benchmarks.perturbations.conditions import built_in
from tests.conftest import ROOT

PAPER = ROOT / "benchmarks/configs/paper"
TABLES = ("table1", "table2", "table3", "figure4")


def settings_of(table: str) -> RunSettings:
    return parse_settings(RunSettings, read_settings(PAPER / f"{table}.yaml"), table)


@pytest.mark.parametrize("table", TABLES)
def test_sets_detectors_conditions_and_figures_exist(table):
    settings, catalogs = settings_of(table), load_catalogs()
    (data,) = settings.data
    assert set(settings.generators) <= set(published_set(data).expected)
    for name in settings.perturbations:
        parse_perturbation(name, catalogs.perturbations)
    paradigms = Counter(map(paradigm_of, settings.generators))
    columns = {*settings.generators, *(f"{name} mean of {count}" for name, count in paradigms.items())}
    for figures in settings.reported:
        assert set(figures.detectors) <= set(settings.labels)
        assert set(figures.values) <= columns
        assert figures.metric in catalogs.metrics
        assert figures.source
    if table == "table1":  # the others take the same
        for detector in settings.detectors:
            catalogs.detectors.create(detector.name, **detector.options)
    else:
        assert settings.detectors == settings_of("table1").detectors
    assert settings.out.name == table


def test_the_sets_are_as_many_as_the_paper_has():
    assert [len(settings_of(table).generators) for table in TABLES] == [7, 7, 6, 7]
    assert [paradigm_of(settings_of(table).generators[0]) for table in TABLES] == [
        "AR",
        "GAN",
        "diffusion",
        "AR",
    ]


def test_both_modes_of_d3qe_are_rows_of_one_checkpoint():
    modes = {
        d.shown: d.options.get("delta_mode", "released")
        for d in settings_of("table1").detectors
        if d.name == "d3qe"
    }
    assert modes == {"d3qe_released": "released", "d3qe_paper": "paper"}


def test_the_conditions_are_those_of_the_released_evaluation():
    qualities, ratios = (95, 90, 75, 60, 50), (0.9, 0.8, 0.7, 0.6, 0.5)
    conditions = [
        name for suite in settings_of("figure4").suites for name in built_in().suite(suite).conditions
    ]
    assert conditions == [f"jpeg:{q}" for q in qualities] + [f"crop:{r}" for r in ratios]


def test_every_weights_file_has_a_published_source(tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_BENCH_WEIGHTS", str(tmp_path))
    needs = weights_needed(settings_of("table1"), load_catalogs())
    assert {need.name for need in needs} == {
        *("d3qe", "univfd", "npr", "cnnspot", "fredect", "gramnet"),
        *("llamagen-vq16", "clip-vit-l-14/openai"),
    }
    assert all(need.published and need.path is None and need.missing for need in needs)


def test_a_shipped_configuration_is_found_by_its_name_in_any_folder(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    assert read_settings(Path("paper/table1.yaml")) == read_settings(PAPER / "table1.yaml")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/table1.yaml").write_text("out: mine\n")
    assert read_settings(Path("paper/table1.yaml")) == {"out": "mine"}, "the user's own file wins"
