"""The page beyond its numbers: links to a view, export, phone, accessibility, the first screen, several runs and seeds."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from benchmarks.reports import render
from benchmarks.text import in_spreadsheet
from tests.metrics.samples import normal
from tests.reports.conftest import ODD, SETS, evaluated
from tests.reports.page.test_page import no_complaints, table
from tests.runs import detector, rows_of

SHOW_ALL = "for (const [id] of sections) inView.add(id); redraw(visibleRows())"
KEEP_SAVED = "window.saved = []; window.save = (name, type, text) => saved.push([name, type, text])"
AXE = importlib.util.find_spec("axe_core_python")


def draw_everything(page: Chrome) -> None:
    page.execute_script(SHOW_ALL)
    WebDriverWait(page, 30).until(lambda _: page.execute_script("return 'histogram' in drawn"))


def violations(page: Chrome) -> list[tuple[str, str]]:
    """What axe finds wrong with the page as it stands: the rule, and the first element."""
    assert AXE is not None
    assert AXE.origin is not None
    page.set_script_timeout(120)
    page.execute_script(Path(AXE.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.execute_async_script("axe.run(document).then(arguments[0])")
    assert len(found["passes"]) > 10
    return [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]


def test_a_view_is_a_link_and_the_back_button_leads_to_the_one_before(page: Chrome) -> None:
    Select(page.find_element(By.ID, "metric")).select_by_visible_text("eer")
    first, address = table(page), page.current_url
    assert address.endswith("#metric=eer")
    Select(page.find_element(By.ID, "perturbation")).select_by_visible_text("jpeg:75")
    page.find_element(By.XPATH, "//table[@id='board']//th/button[text()='VAR']").click()
    page.find_element(By.CSS_SELECTOR, "#groups input[value=GAN]").click()
    page.find_element(By.ID, "find-detector").send_keys("o")
    shown, link = table(page), page.current_url
    assert shown != first
    page.get("about:blank")
    page.get(link)
    assert table(page) == shown
    assert page.find_element(By.CSS_SELECTOR, "#board [aria-sort=ascending]").text.startswith("VAR")
    for _ in range(4):  # the paradigm with what was typed, the sorting, the condition, away and back
        page.back()
    page.get(address)
    assert table(page) == first
    Select(page.find_element(By.ID, "perturbation")).select_by_visible_text("jpeg:75")
    assert table(page) != first
    page.back()
    WebDriverWait(page, 30).until(lambda _: page.current_url == address)
    WebDriverWait(page, 30).until(lambda _: table(page) == first)
    assert no_complaints(page)


def test_every_table_and_figure_can_be_saved(page: Chrome) -> None:
    draw_everything(page)
    page.execute_script(KEEP_SAVED)
    buttons = page.find_elements(By.CSS_SELECTOR, ".save button")
    for button in buttons:
        page.execute_script("arguments[0].click()", button)
    saved = page.execute_script("return saved")
    assert len(saved) == len(buttons)
    drawings = {name: text for name, kind, text in saved if kind == "image/svg+xml"}
    figures = len(page.find_elements(By.CSS_SELECTOR, "canvas, .drawing"))
    assert len(drawings) == figures == 6
    for name, text in drawings.items():
        found = ElementTree.fromstring(text)
        assert any("strong" in (one.text or "") for one in found.iter()) or name.startswith("histogram")
    board = next(text for name, kind, text in saved if name == "Leaderboard table.csv")
    values = {tuple(line.split(",")[:3]): line.split(",")[5] for line in board.splitlines()}
    assert values["strong", "AR", "VAR"] == table(page)["strong", "AR", "VAR"][0][:6]
    roc = next(text for name, kind, text in saved if name == "roc-ap-clean.csv")
    drawn = page.execute_script(
        "return drawn.roc.data.datasets.reduce((sum, one) => sum + one.data.length, 0)"
    )
    assert len(roc.splitlines()) == 1 + drawn
    assert no_complaints(page)


def test_a_saved_table_is_safe_to_open_in_a_spreadsheet(page: Chrome) -> None:
    texts = ["=1+1", "  =A1", "@x", "-x", "+x", "＝1", "plain", "a,b", 'say "x"', "−5 apples", "a=b"]
    for text in texts:
        quoted = page.execute_script("return inSpreadsheet(arguments[0])", text)
        safe = str(in_spreadsheet(text))
        assert quoted.strip('"').replace('""', '"') == safe.strip('"'), text
    for number in ("-0.12", "+0.5", "−0.25", "3"):
        assert page.execute_script("return Number(inSpreadsheet(arguments[0]))", number) == float(
            number.replace("−", "-")
        )


def test_tables_that_stand_ready_sort_by_their_headings_and_that_is_in_the_link(page: Chrome) -> None:
    page.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    place = page.execute_script(
        "return [...document.querySelectorAll('table.fixed')].findIndex(t => t.tHead.textContent.includes('fingerprint'))"
    )

    def names() -> list[str]:
        lines = "return [...document.querySelectorAll('table.fixed')[arguments[0]].tBodies[0].rows].map(r => r.cells[0].textContent)"
        found: list[str] = page.execute_script(lines, place)
        return found

    before = names()
    button = page.find_elements(By.CSS_SELECTOR, "table.fixed")[place].find_element(
        By.XPATH, ".//button[text()='real']"
    )
    page.execute_script("arguments[0].focus()", button)
    button.send_keys("\n")
    assert [SETS[name]["asked"]["real"] for name in names()] == [120, 110, 100, 30]
    link = page.current_url
    page.get("about:blank")
    page.get(link)
    assert [SETS[name]["asked"]["real"] for name in names()] == [120, 110, 100, 30]
    assert sorted(before) == sorted(names())


@pytest.mark.skipif(AXE is None, reason="needs axe-core-python, which brings axe")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Chrome, scheme: str) -> None:
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", scheme)
    page.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    draw_everything(page)
    assert violations(page) == []


def test_nothing_is_wider_than_a_phone(page: Chrome) -> None:
    address = page.current_url
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        page.get("about:blank")
        page.get(address)
        draw_everything(page)
        assert page.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert no_complaints(page)


def test_on_paper_it_is_light_and_nothing_is_cut(page: Chrome) -> None:
    draw_everything(page)
    page.find_element(By.ID, "theme").click()
    dark = page.execute_script("return document.documentElement.dataset.theme")
    sheet = {"width": 700, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # A4 without margins
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert page.execute_script("return document.documentElement.scrollWidth") <= 700
        cut = "return [...document.querySelectorAll('table, svg, canvas')].filter(one => one.getBoundingClientRect().right > 701).length"
        assert page.execute_script(cut) == 0
        assert page.execute_script("return color('--text')") == "#000"
        page.execute_script("dispatchEvent(new Event('afterprint'))")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page.execute_script("return document.documentElement.dataset.theme") == dark
    assert no_complaints(page)


def test_the_first_screen_says_who_wins_and_how_sure_that_is(page: Chrome, metrics: dict[str, Any]) -> None:
    cards = page.find_elements(By.CSS_SELECTOR, ".winners li")
    overall, ar = cards[0].text, cards[1].text
    # the strong one is partial on a GAN set, so only one detector is whole over all of them
    assert overall.splitlines()[:2] == ["All test sets: mean of 4", ODD]
    assert "no other trained detector scored every picture" in overall
    assert ar.splitlines()[:2] == ["AR: mean of 2", "strong"]
    value = next(
        one["metrics"]["ap"]
        for one in metrics["means"]
        if one["scope"] == "AR" and one["detector"] == "strong"
    )
    assert f"{value:.4f} [" in ar
    assert f"Significantly better than {ODD} (paired bootstrap)." in ar
    assert page.find_element(By.CSS_SELECTOR, ".winners").rect["y"] < 700


def test_what_differs_between_runs_comes_first(
    browser: Chrome, run: Path, other_data: Path, tmp_path: Path
) -> None:
    (file,) = render([run, other_data], ["html"], out=tmp_path)
    browser.get(file.as_uri())
    lines = [
        [box.text for box in line.find_elements(By.CSS_SELECTOR, "th, td")]
        for line in browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby=h-differences] tr")
    ]
    assert lines[0] == ["about", "what", "run one", "run two"]
    assert lines[1:] == [
        [
            "pictures",
            "AR/VAR",
            "120 real, 120 generated, abababababab",
            "120 real, 120 generated, cdcdcdcdcdcd",
        ]
    ]
    before = "return arguments[0].compareDocumentPosition(arguments[1]) & Node.DOCUMENT_POSITION_FOLLOWING"
    pair = [browser.find_element(By.ID, name) for name in ("h-differences", "h-winners")]
    assert browser.execute_script(before, *pair)


def test_trainings_by_several_seeds_have_a_curve_each(browser: Chrome, tmp_path: Path) -> None:
    names = {f"d seed {seed}": detector(group="d", seed=seed) for seed in (0, 1)}

    def scored(cell):
        asked = SETS[cell.dataset]["asked"]
        return rows_of(
            *normal(asked["real"], asked["fake"], 1.0, seed=len(cell.detector) + ord(cell.detector[-1]))
        )

    made = evaluated(tmp_path / "run", detectors={**names, "other": detector()}, rows=scored)
    (file,) = render(made, ["html"])
    browser.get(file.as_uri())
    draw_everything(browser)
    roc = browser.execute_script("return drawn.roc.data.datasets.map(d => [d.label, d.borderColor, d.data])")
    seeds = [line for line in roc if "seed" in line[0] and line[0].endswith(("seed 0", "seed 1"))]
    assert len(seeds) == 2
    assert seeds[0][1] == seeds[1][1]
    assert seeds[0][2] != seeds[1][2]
    shown = json.loads((made / "metrics.json").read_text(encoding="utf-8"))
    assert shown["over_seeds"]["groups"] == {"d": {"0": "d seed 0", "1": "d seed 1"}}
    legend = browser.find_elements(By.CSS_SELECTOR, "#curve-legend li")
    assert len(legend) == 2
