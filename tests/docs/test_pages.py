"""The how-to pages do what they say: their files are written, their commands run, their output is seen."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs import reference

DOCS = ROOT / "benchmarks" / "docs"
PAGES = ("add-a-detector", "add-a-data-set", "add-a-perturbation", "add-a-metric")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"d3qe-bench": "benchmarks.cli", "pip": "pip", "pytest": "pytest"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Programs by their names, and installations into a folder of this test, without network."""
    programs, site = tmp_path / "bin", tmp_path / "site"
    for folder in (programs, site):
        folder.mkdir()
    for name, module in {**PROGRAMS, "python": ""}.items():
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {f"-m {module}" if module else ""} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{site}",
        "PIP_TARGET": str(site),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads the negated option the other way round
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


def steps(console: str) -> list[tuple[str, list[str]]]:
    """Each command of a console block with what its output has to contain."""
    found: list[tuple[str, list[str]]] = []
    for line in console.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line.strip())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_followed(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    whole = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    commands = 0
    for kind, file, content in BLOCK.findall(whole):
        assert kind in ("python", "console"), f"a block of {kind} would not be tried"
        if kind == "python":
            compile(content, f"{page}.md", "exec")
            if file:
                (work / file).write_text(content)
        if kind != "console":
            continue
        for command, expected in steps(content):
            finished = subprocess.run(
                command, shell=True, cwd=work, env=environment, capture_output=True, text=True, timeout=600
            )
            printed = finished.stdout + finished.stderr
            assert finished.returncode == 0, f"$ {command}\n{printed}"
            for text in expected:
                assert text in printed, f"$ {command}\nshould print {text!r}, printed:\n{printed}"
            commands += 1
    assert commands == len(re.findall(r"^\$ ", whole, re.MULTILINE)) >= 3
    assert whole.count("```") == 2 * len(BLOCK.findall(whole))
    assert not re.search(r"^ {4}", BLOCK.sub("", whole), re.MULTILINE), "an indented block would not be tried"


PAGES_WITH_COMMANDS = [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.name)
def test_commands_and_options_in_the_text_exist(page: Path) -> None:
    commands = dict(reference.all_commands())
    groups = {name.rpartition(" ")[0] for name in commands}
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for words in re.findall(r"d3qe-bench( [a-z][^`\n|]*)", text):
        given = words.split(" -- ")[0].split()
        name = f"d3qe-bench {given[0]}"
        if name in groups and len(given) > 1:
            name = f"{name} {given[1]}"
        assert name in commands or name in groups, f"{name} in {words!r}"
        known = {
            option for parameter in getattr(commands.get(name), "params", ()) for option in parameter.opts
        }
        options = {
            word.partition("=")[0].strip("[].,;:)") for word in given if word.lstrip("[").startswith("--")
        }
        assert {option.lstrip("[") for option in options} <= known | {"--help"}, words


def test_links_between_pages_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+\.md)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"
