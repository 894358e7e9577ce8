"""Tables in a narrow terminal and in a pipe: every word is whole, every fact is there."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks.commands.list_command import Kind
from benchmarks.tables import print_table
from registry import load_plugins

TEXT = "class tokens of all blocks through learned weights, and a name-with-many-hyphens-in-it"
ROWS = [("a_long_name_of_a_detector", "can be fetched", TEXT), ("short", "no", "one word")]


def shown(width: int, terminal: bool, rows=ROWS) -> list[str]:
    stream = io.StringIO()
    print_table(
        rows,
        head=("name", "weights", "summary"),
        console=Console(file=stream, width=width, force_terminal=terminal, color_system=None),
    )
    return stream.getvalue().splitlines()


def test_a_row_is_a_line_in_a_pipe():
    assert shown(80, terminal=False) == [
        "name                       weights         summary",
        f"a_long_name_of_a_detector  can be fetched  {TEXT}",
        "short                      no              one word",
    ]


@pytest.mark.parametrize("width", [45, 60, 80, 120])
def test_words_are_whole_and_lines_fit(width):
    lines = shown(width, terminal=True)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for row in ROWS:
        assert all(word in words for cell in row for word in cell.split())


def test_the_last_column_stands_beside_the_others_or_below_them():
    assert shown(80, terminal=True)[1:4] == [
        "a_long_name_of_a_detector  can be fetched  class tokens of all blocks through",
        "                                           learned weights, and a",
        "                                           name-with-many-hyphens-in-it",
    ]
    assert shown(60, terminal=True)[2:5] == [
        "a_long_name_of_a_detector  can be fetched",
        "  class tokens of all blocks through learned weights, and a",
        "  name-with-many-hyphens-in-it",
    ]
    # short texts need no line of their own
    assert shown(60, terminal=True, rows=[("a_long_name_of_a_detector", "no", "one word")])[1] == (
        "a_long_name_of_a_detector  no       one word"
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_listed_entry_is_one_line_in_a_pipe(invoke, kind):
    lines = invoke("list", kind).out.splitlines()
    catalogs = load_plugins()
    names = [p.name for p in catalogs.plugins] if kind == "plugins" else getattr(catalogs, kind.value).names()
    assert [line.split()[0] for line in lines[1:]] == [name.split()[0] for name in names]


def test_published_weights_are_a_line_each_and_whole_in_json(invoke):
    facts = json.loads(invoke("weights", "list", "--json").out)
    lines = invoke("weights", "list").out.splitlines()
    assert len(lines) == len(facts) + 2
    for line, one in zip(lines[1:], facts, strict=False):
        assert line.startswith(one["name"])
        assert line.endswith(one["file"].rsplit("/", 1)[-1])
        assert {"source", "sha256", "licence", "path"} <= set(one)
