"""Hostile names are text, and nothing else, in every kind of output."""

from __future__ import annotations

import csv
import html
import io
import json
import logging
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pylatexenc.latex2text import LatexNodes2Text

from benchmarks.text import (
    PlainFormatter,
    csv_text,
    in_latex,
    in_markdown,
    in_script,
    in_spreadsheet,
    json_text,
    page_environment,
    plain,
)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    r"\input{/etc/passwd} $x_1^2$ 100% #1 & ~ ^ {a}",
    "| **b** [l](http://x) `c` ![i](y) <u>",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "one\ntwo\r\nthree\u2028four",
    "\u202egnp.exe\u2066\u200f",
    '=cmd|"/c calc"!A1',
    "+1+1",
    "-1",
    "@SUM(A1:A9)",
    " =1",
    "\t=1",
    "[/red] [bold]",
    "{{ 7*7 }} {% raw %} << x >>",
    "1. # --- === _a_ __init__ a_b $5$",
    "\ud800 half",
    "``quoted'' -- ?` <<",
    "",
]
names = (
    st.text(max_size=60)
    | st.sampled_from(HOSTILE)
    | st.text("=+-@<>&|*_`\\$#%{}[]()\x1b\n\u202e ab1.", max_size=20)
)


def every_hostile(test):
    for name in HOSTILE:
        test = example(name)(test)
    return test


def seen(text: str) -> str:
    """What a reader sees: white space in the middle is one space."""
    return " ".join(plain(text).split())


@every_hostile
@given(names)
def test_plain_is_one_line_of_visible_characters(name):
    shown = plain(name)
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in shown)
    assert not set("\x1b\n\r\u202e\u2066\x9b") & set(shown)
    shown.encode()
    if name.isprintable():
        assert shown == name


class Cells(HTMLParser):
    """The texts of table cells, and every tag and attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert {key for key, _ in attrs} <= ({"style"} if tag in ("th", "td") else set()), attrs
        if tag in ("td", "li", "h2"):
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


@every_hostile
@given(names)
def test_markdown_shows_the_name_in_tables_lists_and_headings(name):
    shown = in_markdown(name)
    page = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(f"| a | b |\n|:--|--:|\n| {shown} | x |\n\n- † {shown}: y\n\n## {shown} end\n\n{shown}\n")
    )
    found = Cells(page)
    assert set(found.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "ul", "li", "h2", "p"}
    cell, other, item, *_ = (" ".join(text.split()) for text in found.texts)
    assert (cell, other) == (seen(name), "x")
    assert item == " ".join(f"† {seen(name)}: y".split())


@every_hostile
@given(names)
def test_latex_has_no_command_of_the_name(name):
    shown = in_latex(name)
    # commands of the encoder stand in braces of their own or are escapes of one sign
    bare = re.sub(r"\\[a-zA-Z]+|\\[%&#_${}'\"`^~=.,;:>!@ -]", "", shown)
    assert not re.search(r"[%&#_$^~\\]", bare.replace("^", "") if r"\^" in shown else bare)
    assert "\n" not in shown
    commands = set(re.findall(r"\\([a-zA-Z]+)", shown))
    assert not commands & {
        "input",
        "include",
        "write",
        "def",
        "csname",
        "openout",
        "read",
        "catcode",
        "end",
        "begin",
    }
    if (
        re.fullmatch(r"[A-Za-z0-9 .,:;()/+=*@\[\]!?%&#_${}|<>-]*", name)
        and "--" not in name
        and "?`" not in name
    ):
        read = LatexNodes2Text().latex_to_text(shown.replace(r"{\textbar}", "|"))
        assert " ".join(read.split()) == seen(name)


@every_hostile
@given(names)
def test_a_spreadsheet_sees_no_formula_and_a_reader_every_cell(name):
    text = csv_text([name, "n"], [{name: name, "n": -0.25}, {"n": None}, {name: float("nan"), "n": 3}])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    rows = list(csv.reader(io.StringIO(text)))
    assert all(len(row) == 2 for row in rows)
    for cell in (rows[0][0], rows[1][0]):
        assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠"))
        assert cell.removeprefix("'") == plain(name).removeprefix("'")
    assert [row[1] for row in rows[1:]] == ["-0.25", "", "3"]


def test_numbers_stay_numbers():
    import numpy as np

    for value in (-1.5, -3, np.float32(-0.5), np.int64(-7), True):
        assert in_spreadsheet(value) is value
    assert in_spreadsheet("-0.5") == "'-0.5", "text that looks like one is text"


@every_hostile
@given(names)
def test_json_for_programs_keeps_the_name_and_is_ascii(name):
    text = json_text([{name: name}])
    assert json.loads(text) == [{name: name}]
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@every_hostile
@given(names)
def test_a_page_shows_the_name_and_its_script_reads_it(name):
    environment = page_environment(("benchmarks.study", "templates"))
    page = environment.from_string("<td>{{ name }}</td><td title>{{ names | join(', ') }}</td>").render(
        name=name, names=[name, "b"]
    )
    assert page.count("<td") == 2
    assert page.count("<") == 4
    cell = page.removeprefix("<td>").partition("</td>")[0]
    assert html.unescape(cell) == plain(name)
    script = str(in_script({name: [name, 1, None]}))
    assert "<" not in script
    assert "\u202e" not in page + script
    assert json.loads(script) == {plain(name): [plain(name), 1, None]}


def test_a_style_or_picture_of_ours_is_not_touched():
    from markupsafe import Markup

    environment = page_environment(("benchmarks.study", "templates"))
    assert environment.from_string("{{ css }}{{ n }}").render(css=Markup("a {\n}\n"), n=1) == "a {\n}\n1"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_warning_is_one_visible_line(name):
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s: left out", (name,), None)
    shown = PlainFormatter().format(record)
    assert shown == f"{plain(name)}: left out"
