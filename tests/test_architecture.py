"""The harness names no detector, and a name means one thing; import-linter holds the layers (`make lint`)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from registry import load_plugins
from tests.conftest import ROOT

PACKAGES = ("registry", "d3qe_plugin", "baselines", "benchmarks")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_the_newcomers_ways_name_files_that_are_there():
    sections = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("### ")[1:]
    ways = {
        section.splitlines()[0]: re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)
        for section in sections
    }
    assert list(ways) == ["A picture, from folder to table", "A weights file, from option to logits"]
    for files in ways.values():
        assert 5 < len(files) <= 12
        assert [file for file in files if not (ROOT / file).is_file()] == []


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
    | {"render", "report", "statistics", "study", "thresholds"},
    "classes": {"OurDataset", "OurDetector", "Block", "Tokenizer"},
}


def test_a_name_means_one_thing():
    found: dict[str, dict[str, set[str]]] = {"modules": {}, "classes": {}}
    for package in PACKAGES:
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
