"""Dependencies point one way, and the harness names no detector."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import load_plugins
from tests.conftest import ROOT

MAY_IMPORT = {
    "registry": {"registry"},
    "d3qe_plugin": {"d3qe_plugin", "registry"},
    "baselines": {"baselines", "registry"},
    "benchmarks": {"benchmarks", "registry"},
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(ast.parse(path.read_text()))
        if name in MAY_IMPORT and name not in MAY_IMPORT[package]
    }
    assert not wrong


def test_the_harness_names_no_detector():
    # the embedded mini benchmark is a choice of detectors, and measuring scripts have defaults
    choices = {ROOT / "benchmarks" / "mini", ROOT / "benchmarks" / "speed"}
    detectors = set(load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).detectors.names())
    named = {
        f"{path.relative_to(ROOT)} names {node.value}"
        for path in modules("benchmarks")
        if not choices & set(path.parents)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in detectors
    }
    assert detectors
    assert not named


def test_built_in_detectors_come_through_the_hooks():
    catalogs = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})
    assert {entry.origin.partition(" ")[0] for entry in catalogs.detectors} == {"d3qe-bench"}
    assert all(plugin.status in ("ok", "disabled") for plugin in catalogs.plugins)


SAME_PART = {
    # a part that each package, suite or network has of its own, under the same name
    "modules": {
        "plugin",
        "mini",
        "network",
        "layers",
        "options",
        "settings",
        "dataset",
        "manifest",
        "files",
        "tokenizer",
    }
    | {"render", "report", "statistics", "study", "thresholds", "weights"},
    "classes": {"OurDataset", "OurDetector", "Block", "Tokenizer"},
}


def test_a_name_means_one_thing():
    found: dict[str, dict[str, set[str]]] = {"modules": {}, "classes": {}}
    for package in MAY_IMPORT:
        for path in modules(package):
            where = str(path.relative_to(ROOT))
            name = path.parent.name if path.stem == "__init__" else path.stem
            found["modules"].setdefault(name, set()).add(where)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found["classes"].setdefault(node.name, set()).add(where)
    for kind, names in found.items():
        several = {name: files for name, files in names.items() if len(files) > 1}
        assert {name: files for name, files in several.items() if name not in SAME_PART[kind]} == {}
