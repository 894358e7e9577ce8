"""A run over hostile names of folders, files and detectors: each command's output is text, and Parquet has the true names."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from benchmarks.runner import forecast
from tests.pictures import make_class_folders

GENERATORS = (
    "<img src=x onerror=alert(1)>",
    "=cmd('calc')!A1",
    "\x1b[31mred\x1b]0;t\x07",
    "\u202egnp | **b** `c` $x_1^2$ \\input{a} % [l](u)",
    "@SUM(A1)\nnext line",
)
DETECTORS = ("+1 <script>alert(1)</script>", "[/red] \x1b[2J", "-2 $\\frac{$ _a_")
ACTIVE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {key for key, _ in attrs}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(GENERATORS):
        make_class_folders(root / "AR" / name, 6, seed=100 * number)
        (root / "AR" / name / "1_fake" / "picture 0.v1.png").rename(
            root / "AR" / name / "1_fake" / f"{name}.png"
        )
    broken = root / "AR" / GENERATORS[0] / "0_real" / "<b>\x1b[1m\nbroken\u202e.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return root


def check(text: str, what: str) -> None:
    assert not ACTIVE.search(text), (what, ACTIVE.search(text))
    text.encode()


def test_every_output_of_a_run(data, tmp_path, invoke):
    out = tmp_path / "run"
    config = tmp_path / "config.yaml"
    settings = {
        "data": [str(data)],
        "detectors": [{"name": "random_score", "label": name} for name in DETECTORS],
        "out": str(out),
        "bootstrap": 10,
        "reported": [
            {"detectors": list(DETECTORS), "metric": "acc", "values": {f"AR/{GENERATORS[0]}": 0.5}, "source": GENERATORS[2]}
        ],
    }  # fmt: skip
    config.write_text(yaml.safe_dump(settings))
    done = invoke("run", config)
    assert done.code == 1, done.err
    assert "broken" in done.err
    for stream in (done.out, done.err):
        check(stream, "terminal")
    frame = pd.read_parquet(out / "scores")
    assert set(frame["generator"]) == set(GENERATORS)
    assert set(frame["detector"].astype(str)) == set(DETECTORS)
    assert f"AR/{GENERATORS[4]}/1_fake/{GENERATORS[4]}.png" in set(frame["path"])
    reference = set(Page((out / "leaderboard.html").read_text("utf-8")).tags)
    assert not reference & {"img", "iframe", "object"}
    assert not {
        name
        for name in Page((out / "leaderboard.html").read_text("utf-8")).attributes
        if name.startswith("on")
    }
    for file in out.glob("leaderboard.*"):
        text = file.read_text("utf-8")
        if file.suffix == ".html":
            text = text.replace("\t", " ")
        check(text, file.name)
    for file in out.glob("leaderboard*.csv"):
        for row in csv.reader(io.StringIO(file.read_text("utf-8"))):
            for cell in row:
                number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                assert number or not cell.lstrip().startswith(tuple("=+-@")), (file.name, cell)
    page = Page(
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render((out / "leaderboard.md").read_text("utf-8"))
    )
    assert not set(page.tags) & {"img", "script", "a", "b"}
    tex = (out / "leaderboard.tex").read_text("utf-8")
    assert r"\input" not in tex
    assert r"\frac" not in tex
    assert json.loads((out / "run.json").read_text("utf-8"))["detectors"].keys() == set(DETECTORS)

    failures = invoke("failures", out, "--out", tmp_path / "failures", "--detectors", ",".join(DETECTORS))
    assert failures.code == 0, failures.err
    check(failures.out + failures.err, "failures")
    for file in (tmp_path / "failures").glob("*"):
        check(file.read_text("utf-8"), file.name)
    rows = invoke("submit", out, "--out", tmp_path / "rows")
    check(rows.out + rows.err, "submit")
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_predictions(data, invoke, form):
    done = invoke("predict", data / "AR" / GENERATORS[0], "--detectors", "random_score", "--format", form)
    assert done.code == 1
    check(done.out + done.err, form)
    if form == "json":
        assert f"{data}/AR/{GENERATORS[0]}/1_fake/{GENERATORS[0]}.png" in {
            row["path"] for row in json.loads(done.out)
        }


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_audits(data, invoke, form):
    done = invoke("audit", data, "--format", form, "--permutations", "99")
    check(done.out + done.err, form)
    if form == "markdown":
        page = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(done.out))
        assert not set(page.tags) & {"img", "script", "a", "b", "code", "strong"}


def test_a_dry_run_and_errors(data, invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", 0.05)
    done = invoke("run", "--data", data, "--detectors", "random_score", "--out", tmp_path, "--dry-run")
    assert done.code == 0, done.err
    check(done.out + done.err, "dry run")
    wrong = invoke("run", "--data", f"{data}\x1b[31m", "--detectors", "random_score\u202e", "--out", tmp_path)
    assert wrong.code == 2
    check(wrong.err, "error")


def test_prepare_and_verify(data, invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path))
    done = invoke("data", "prepare", "AIGCDetectBenchmark", data / "AR")
    check(done.out + done.err, "prepare")
    (data / "AR" / GENERATORS[2] / "1_fake" / "new\x1b.png").write_bytes(b"new")
    verified = invoke("data", "verify", "AIGCDetectBenchmark")
    assert r"extra: \x1b[31mred" in verified.err
    check(verified.out + verified.err, "verify")
