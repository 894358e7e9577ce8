"""The page in a real browser: its numbers, sorting, filters, metric switch, keyboard, dark mode, print."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from benchmarks.reports import render
from benchmarks.reports.board import boards
from benchmarks.reports.load import Run, read_runs
from benchmarks.reports.notes import NO_INTERVAL, interval_notes
from benchmarks.reports.page.html import html
from benchmarks.reports.report import make_report
from registry import UserError
from tests.metrics.samples import normal
from tests.reports.conftest import ODD, PERTURBATIONS, evaluated
from tests.runs import dataset, detector, rows_of

READ_TABLE = """
const lines = [...document.querySelectorAll('#board tbody tr')];
const columns = visibleColumns();
return lines.map(line => [line.cells[0].textContent, [...line.cells].slice(1).map((cell, i) => [
    data.columns[columns[i]].group, data.columns[columns[i]].label, cell.textContent, cell.className, cell.title])]);
"""


def table(page: Chrome) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """(detector, group, column) → text, class, title of every cell on show."""
    return {
        (name.removesuffix(" †"), group, label): (text, style, title)
        for name, cells in page.execute_script(READ_TABLE)
        for group, label, text, style, title in cells
    }


def names(page: Chrome) -> list[str]:
    return [cell.text.removesuffix(" †") for cell in page.find_elements(By.CSS_SELECTOR, "#board tbody th")]


def no_complaints(page: Chrome) -> bool:
    return [entry for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def values(metrics: dict[str, Any], metric: str, perturbation: str) -> dict[tuple[str, str, str], Any]:
    found = {}
    for item in [*metrics["cells"], *metrics["means"]]:
        if item["perturbation"] == perturbation:
            mean = "scope" in item
            if mean and item["n_sets_expected"] == 1:
                continue  # which repeats its set
            group = item["scope"] if mean else item["paradigm"]
            label = f"mean of {item['n_sets_expected']}" if mean else item["dataset"].split("/", 1)[1]
            found[item["detector"], group, label] = (item["metrics"][metric], item["ci"][metric])
    return found


def test_every_number_of_every_metric_equals_metrics_json(page: Chrome, metrics: dict[str, Any]) -> None:
    assert len(metrics["metrics"]) >= 12
    for metric in metrics["metrics"]:
        Select(page.find_element(By.ID, "metric")).select_by_visible_text(metric)
        for perturbation in PERTURBATIONS:
            shown = "clean" if perturbation == "none" else perturbation
            Select(page.find_element(By.ID, "perturbation")).select_by_visible_text(shown)
            found, wanted = table(page), values(metrics, metric, perturbation)
            assert set(found) == set(wanted)
            for key, (value, ci) in wanted.items():
                numbers = [] if value is None else [value, *(ci or [])]
                assert re.findall(r"\d\.\d{4}", found[key][0]) == [f"{x:.4f}" for x in numbers], (metric, key)
    assert no_complaints(page)


def names_of(found: dict[tuple[str, str, str], Any]) -> set[str]:
    return {name for name, _, _ in found}


def test_marks(page: Chrome) -> None:
    found = table(page)
    assert found["strong", "AR", "VAR"][1] == "first best"
    assert "second" in found[ODD, "AR", "VAR"][1]
    assert "‡" in found["strong", "GAN", "ProGAN"][0]
    assert "partial" in found["strong", "GAN", "ProGAN"][1]
    assert "best" not in found["strong", "GAN", "ProGAN"][1]
    assert found["stopped", "GAN", "ProGAN"][0] == "✗"
    assert "it broke" in found["stopped", "GAN", "ProGAN"][2]
    assert not any("best" in style for (name, *_), (_, style, _) in found.items() if name == "fresh_one")
    assert "95 % interval" in found["strong", "AR", "VAR"][2]
    assert page.find_element(By.CSS_SELECTOR, "tr.untrained th").text == "fresh_one †"
    notes = page.find_element(By.ID, "notes").text
    assert "truncated | file" in notes
    shown = re.findall(r"^Trained on (.+): (.+)$", notes, re.MULTILINE)
    assert sorted(name for _, names in shown for name in names.split(", ")) == sorted(
        name.removesuffix(" †") for name in names_of(found)
    )


def test_sort_by_a_column_with_what_has_no_value_last(page: Chrome) -> None:
    start = names(page)

    def head(text: str) -> None:
        page.find_element(By.XPATH, f"//table[@id='board']//th/button[text()='{text}']").click()

    head("SD_1.4")
    order = names(page)
    found = [
        float(x) if (x := table(page)[name, "diffusion", "SD_1.4"][0][:6]) != "✗" else None for name in order
    ]
    assert found[:-1] == sorted(found[:-1], reverse=True)
    assert order[-1] == "stopped"
    assert page.find_element(By.CSS_SELECTOR, "[aria-sort=descending]").text.startswith("SD_1.4")
    head("SD_1.4")
    assert names(page)[:3] == order[:3][::-1]
    assert names(page)[-1] == "stopped"
    Select(page.find_element(By.ID, "metric")).select_by_visible_text("eer")
    best_first = [table(page)[name, "diffusion", "SD_1.4"][0][:6] for name in names(page)[:3]]
    assert best_first == sorted(best_first)
    head("detector")
    assert names(page) == sorted(start, key=str.casefold)
    assert no_complaints(page)


def test_filters(page: Chrome) -> None:
    everything = table(page)
    field = page.find_element(By.ID, "find-detector")
    field.send_keys("STRO")
    assert names(page) == ["strong"]
    assert "1 of 4 detectors" in page.find_element(By.ID, "status").text
    field.send_keys(Keys.BACKSPACE * 4)
    page.find_element(By.ID, "find-set").send_keys("progan")
    assert {(g, c) for _, g, c in table(page) if not c.startswith("mean")} == {("GAN", "ProGAN")}
    page.find_element(By.ID, "find-set").send_keys(Keys.BACKSPACE * 6)
    page.find_element(By.CSS_SELECTOR, "#groups input[value=AR]").click()
    assert {g for _, g, _ in table(page)} == {"GAN", "diffusion", "all"}
    page.find_element(By.CSS_SELECTOR, "#groups input[value=AR]").click()
    page.find_element(By.ID, "unranked").click()
    assert names(page) == [ODD]
    page.find_element(By.ID, "unranked").click()
    assert table(page) == everything
    assert no_complaints(page)


def test_intervals_are_shown_on_demand_and_in_print(page: Chrome) -> None:
    interval = page.find_element(By.CSS_SELECTOR, "#board .ci")
    assert not interval.is_displayed()
    page.find_element(By.ID, "intervals").click()
    assert interval.is_displayed()
    page.find_element(By.ID, "intervals").click()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert interval.is_displayed()
        assert not page.find_element(By.ID, "metric").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(page.print_page()).startswith(b"%PDF")


def test_why_there_is_no_interval_is_said_once(page: Chrome, metrics: dict[str, Any]) -> None:
    """As `leaderboard.md` says it, of all pictures and detectors on show."""
    Select(page.find_element(By.ID, "metric")).select_by_visible_text("tpr_at_fpr_5")
    (board,) = (one for one in boards([Run("", metrics)], ["tpr_at_fpr_5"]) if one.perturbation == "none")
    expected = {text for mark, text in interval_notes(board) if mark == NO_INTERVAL}
    shown = [item.text for item in page.find_elements(By.CSS_SELECTOR, "#legend li, #notes li")]
    found = [text.removeprefix(f"{NO_INTERVAL} ") for text in shown if text.startswith(NO_INTERVAL)]
    assert found
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_keyboard_alone(page: Chrome) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the table"
    page.execute_script("document.querySelector('#board tbody td').focus()")
    detail = page.find_element(By.ID, "detail")
    assert detail.text.startswith("strong on AR VAR: ap 0.")
    page.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert detail.text.startswith(f"{ODD} on AR VAR")
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert detail.text.startswith(f"{ODD} on AR {ODD}")
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_UP)
    assert detail.text.startswith("strong on AR VAR")
    button = page.find_element(By.XPATH, "//table[@id='board']//th/button[text()='VAR']")
    page.execute_script("arguments[0].focus()", button)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.text.startswith("VAR")
    assert (
        page.switch_to.active_element.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    )
    assert no_complaints(page)


def luminance(color: str) -> float:
    red, green, blue = (int(x) for x in re.findall(r"\d+", color)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_colours_follow_the_system_and_the_button(page: Chrome, scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    try:
        page.refresh()
        body = page.find_element(By.TAG_NAME, "body")

        def is_dark() -> bool:
            back, text = (luminance(body.value_of_css_property(x)) for x in ("background-color", "color"))
            assert abs(back - text) > 120
            return back < text

        assert is_dark() == (scheme == "dark")
        page.find_element(By.ID, "theme").click()
        assert is_dark() == (scheme == "light")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert no_complaints(page)


def test_charts_are_drawn_from_the_runs_numbers(page: Chrome, metrics: dict[str, Any]) -> None:
    for name in ("robustness", "roc"):
        page.execute_script("document.getElementById(arguments[0]).scrollIntoView()", name)
        page.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 50)))"
        )
    WebDriverWait(page, 30).until(lambda _: page.execute_script("return 'histogram' in drawn"))
    lines = page.execute_script("return drawn.robustness.data.datasets.map(d => [d.label, d.data])")
    wanted = values(metrics, "ap", "none"), values(metrics, "ap", "jpeg:75")
    for label, points in lines:
        expected = [own[label.removesuffix(" †"), "all", "mean of 4"][0] for own in wanted]
        assert points == [None if value is None else round(value, 4) for value in expected]
    roc = page.execute_script(
        "return drawn.roc.data.datasets.map(d => [d.label, d.data.map(p => [p.x, p.y])])"
    )
    assert {label for label, _ in roc} == {"strong", ODD, "fresh_one", "stopped", ""}
    auroc = values(metrics, "auroc", "none")
    for label, points in roc[:-1]:
        area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
        assert area == pytest.approx(auroc[label, "AR", "VAR"][0], abs=0.02)
    bars = page.execute_script("return drawn.histogram.data.datasets.map(d => [d.label, d.data])")
    assert {label: sum(counts) for label, counts in bars} == {"real": 120, "generated": 120}
    assert no_complaints(page)


def test_paired_comparisons_and_ranks(page: Chrome, metrics: dict[str, Any]) -> None:
    Select(page.find_element(By.ID, "metric")).select_by_visible_text("auroc")
    Select(page.find_element(By.ID, "pair-column")).select_by_visible_text("AR: VAR")
    lines = [
        [cell.text for cell in line.find_elements(By.CSS_SELECTOR, "th, td")]
        for line in page.find_elements(By.CSS_SELECTOR, "#pairs tr")
    ]
    assert lines[0] == ["DeLong", "strong", ODD, "stopped"]
    values_there = values(metrics, "auroc", "none")
    difference = values_there["strong", "AR", "VAR"][0] - values_there[ODD, "AR", "VAR"][0]
    assert lines[1][:3] == ["strong", "", f"+{difference:.4f}"]
    assert lines[2][1] == f"−{difference:.4f}"
    assert (
        "Left out as untrained or incomplete: strong, fresh_one, stopped"
        in page.find_element(By.ID, "ranks").text
    )
    Select(page.find_element(By.ID, "pair-column")).select_by_visible_text("GAN: ProGAN")
    assert "No comparison here" in page.find_element(By.ID, "pairs").text
    assert no_complaints(page)


def test_worst_case_follows_the_metric(page: Chrome, metrics: dict[str, Any]) -> None:
    for metric, worst in (("auroc", min), ("eer", max)):
        Select(page.find_element(By.ID, "metric")).select_by_visible_text(metric)
        lines = [
            [cell.text for cell in line.find_elements(By.CSS_SELECTOR, "th, td")]
            for line in page.find_elements(By.CSS_SELECTOR, "#standings tr")
        ]
        assert lines[1] == ["4 test sets"]
        shown = {line[0].removesuffix(" †"): line[1:] for line in lines[2:]}
        found = values(metrics, metric, "none")
        for name in (ODD, "fresh_one"):
            own = {f"{g} {c}": v for (n, g, c), (v, _) in found.items() if n == name and "mean of" not in c}
            on = worst(own, key=lambda place: own[place])
            assert shown[name][3:5] == [f"{own[on]:.4f}", on]
    assert no_complaints(page)


def test_threshold_or_signal_adds_up(page: Chrome) -> None:
    lines = page.find_elements(By.CSS_SELECTOR, "#losses tbody tr")
    assert len(lines) == 3
    for line in lines:
        acc, threshold, chance, signal, _ = (
            float(cell.text) for cell in line.find_elements(By.TAG_NAME, "td")
        )
        assert 0 < chance < 0.1
        assert acc + threshold + signal == pytest.approx(1, abs=2e-4)


def test_reported_figures_and_provenance_are_apart(page: Chrome) -> None:
    assert "0.8211" in page.find_element(By.ID, "reported").text
    assert "0.8211" not in page.find_element(By.ID, "board").text
    assert "50 resamples, seed 0" in page.find_element(By.CSS_SELECTOR, "dl").text
    for summary in page.find_elements(By.CSS_SELECTOR, "section details summary"):
        summary.click()
    assert "ab" * 32 in page.find_element(By.TAG_NAME, "main").text


def test_no_network(run: Path) -> None:
    text = html(make_report(read_runs([run]), ["ap"]))
    assert not re.search(
        r"""(?:src|href)\s*=\s*["'](?!#|data:)""", text.split('<script type="application/json"')[0]
    )
    assert "@import" not in text
    assert re.search(r"url\((?!data:)", text.split("<body>")[0]) is None


def test_runs_over_other_pictures_carry_a_warning(
    browser: Chrome, run: Path, other_data: Path, tmp_path: Path
) -> None:
    (file,) = render([run, other_data], ["html"], out=tmp_path)
    browser.get(file.as_uri())
    warning = browser.find_element(By.CSS_SELECTOR, "[role=alert]")
    assert warning.is_displayed()
    assert "AR/VAR held different pictures in run one (abababab) and in run two (cdcdcdcd)" in warning.text
    assert {label for _, group, label in table(browser) if group == "AR" and label.startswith("VAR")} == {
        "VAR #abababab",
        "VAR #cdcdcdcd",
    }


def test_most_wrong_pictures_are_opt_in(browser: Chrome, run: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(240):
        Image.new("RGB", (40, 20), (i, 0, 0)).save(pictures / f"{i:04d}.png")
    (file,) = render(run, ["html"], out=tmp_path, pictures=pictures)
    browser.get(file.as_uri())
    images = browser.find_elements(By.CSS_SELECTOR, ".wrong img")
    assert len(images) == 4 * 12
    assert all(image.get_attribute("src").startswith("data:image/jpeg;base64,") for image in images)
    plain = render(run, ["html"], out=tmp_path)[0].read_text(encoding="utf-8")
    assert "data:image" not in plain
    with pytest.raises(UserError, match="give the data folder"):
        render(run, ["html"], out=tmp_path, pictures=tmp_path)


def test_data_cannot_close_its_script_element(run: Path, tmp_path: Path) -> None:
    copy = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    for cell in copy["cells"]:
        cell["reason"] = cell["reason"] and "</script><script>alert(1)</script>"
    request = json.loads((run / "run.json").read_text(encoding="utf-8"))
    from benchmarks.reports.load import Run
    from benchmarks.runfolder.record import make_record

    text = html(make_report([Run("<b>", copy, make_record(request))], ["ap"]))
    assert "</script><script>alert" not in text
    assert "<b>" not in text.split("<main>")[0]


@pytest.mark.parametrize("name", ["/etc/hostname", "a/../../b.png"])
def test_no_picture_from_outside_the_data_folder(tmp_path: Path, name: str) -> None:
    whole = [{**row, "path": f"{name}{i}"} for i, row in enumerate(rows_of(*normal(20, 20, 0.0, seed=0)))]
    sets = {"AR/a": dataset("AR", "a", 20, 20)}
    run = evaluated(tmp_path / "run", detectors={"x": detector()}, datasets=sets, rows=lambda cell: whole)
    with pytest.raises(UserError, match="leads out of the data folder"):
        render(run, ["html"], pictures=tmp_path)
