"""Every other page that a command writes: its tables and figures can be saved, axe finds nothing, it fits a phone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from selenium.webdriver import Chrome

from benchmarks.commands.attribute_command import write_attributions
from benchmarks.reports.failures.causes import study_failures
from benchmarks.reports.failures.writing import write as write_failures
from benchmarks.reports.load import read_runs
from benchmarks.reports.sensitivity.moved import make_sensitivity
from benchmarks.reports.sensitivity.shown import write as write_sensitivity
from benchmarks.reports.site import write_site
from benchmarks.reports.timeline import make_timeline, write_timeline
from benchmarks.study.matrix import Matrix, MatrixRow
from benchmarks.study.render import render as render_study
from tests.metrics.samples import normal
from tests.reports.conftest import ODD, SETS, evaluated
from tests.reports.page.test_page import no_complaints
from tests.reports.page.test_views import AXE, KEEP_SAVED, violations
from tests.runs import detector, rows_of

READ = "return [...arguments[0].rows].map(row => [...row.cells].map(textOf))"
PAGES = [
    "timeline.html", "failures.html", "sensitivity.html", "study.html", "confusion.html", "index.html", "detectors/strong.html",
    "sets/AR-VAR.html", "paradigms/AR.html",
]  # fmt: skip


@pytest.fixture(scope="session")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with all pages: names of test sets and detectors are odd, and one begins like a formula."""
    out = tmp_path_factory.mktemp("pages")
    (read,) = read_runs([run])
    write_timeline(make_timeline(read, dict.fromkeys(("strong", ODD), "2018-01"), "auroc"), out)
    write_failures(study_failures(run, ["strong", ODD], validation="AR/VAR", bootstrap=20), out)
    counts = pd.DataFrame([[3, 1], [0, 2]], index=[ODD, "raster"], columns=["raster", "=none of them"])
    write_attributions(out, pd.DataFrame({"path": ["0.png"], "attributed": ["raster"]}), counts)
    write_site([run], out, ["ap", "auroc"])
    relations = {"AR/VAR": "same generator", ODD: "other paradigms"}
    values = {"AR/VAR": 0.9, ODD: None}
    rows = [MatrixRow("AR", "AR", values, relations, {**dict.fromkeys(relations.values(), 0.9), "same paradigm": None, "all": 0.9})]  # fmt: skip
    render_study([Matrix(ODD, "ap", {"AR/VAR": "AR", ODD: "GAN"}, rows)], out)
    ways = {"=one": detector(), "=one@crop": detector(feed="crop", feed_of="=one")}
    fed = evaluated(
        out / "fed",
        detectors=ways,
        rows=lambda cell: rows_of(
            *normal(SETS[cell.dataset]["asked"]["real"], 30, 1.0, seed=len(cell.detector))
        ),
    )
    write_sensitivity(make_sensitivity(*read_runs([fed])), [], "", out)
    return out


@contextmanager
def emulated(browser: Chrome, command: str, undo: str, **settings: Any) -> Iterator[None]:
    browser.execute_cdp_cmd(f"Emulation.{command}", settings)
    try:
        yield
    finally:
        browser.execute_cdp_cmd(f"Emulation.{undo}", {})


@pytest.mark.parametrize("name", PAGES)
def test_every_table_and_figure_can_be_saved(browser: Chrome, folder: Path, name: str) -> None:
    browser.get_log("browser")
    browser.get((folder / name).as_uri())
    browser.execute_script(KEEP_SAVED)
    tables = browser.find_elements("css selector", "table")
    figures = browser.find_elements("css selector", "svg")
    assert tables
    for button in browser.find_elements("css selector", ".save button"):
        browser.execute_script("arguments[0].click()", button)
    saved = browser.execute_script("return saved")
    assert len(saved) == len(tables) + 2 * len(figures)
    texts = [list(csv.reader(text.splitlines())) for _, kind, text in saved if kind == "text/csv"]
    for table in tables:
        shown = browser.execute_script(READ, table)
        assert any([[box.removeprefix("'") for box in line] for line in text] == shown for text in texts)
    drawings = [text for _, kind, text in saved if kind == "image/svg+xml"]
    assert len(drawings) == len(figures) == (name in ("timeline.html", "sensitivity.html"))
    for text in drawings:
        assert any("auroc" in (one.text or "") for one in ElementTree.fromstring(text).iter())
        numbers = (folder / name).with_suffix(".csv").read_text(encoding="utf-8")
        assert list(csv.reader(numbers.splitlines())) in texts
    assert no_complaints(browser)


@pytest.mark.skipif(AXE is None, reason="needs axe-core-python, which brings axe")
@pytest.mark.parametrize("name", PAGES[:7])
def test_axe_finds_nothing_and_it_is_no_wider_than_a_phone(browser: Chrome, folder: Path, name: str) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    with emulated(browser, "setDeviceMetricsOverride", "clearDeviceMetricsOverride", **phone):
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            with emulated(browser, "setEmulatedMedia", "setEmulatedMedia", features=features):
                browser.get((folder / name).as_uri())
                assert browser.execute_script("return document.documentElement.scrollWidth") == 390
                assert violations(browser) == []
