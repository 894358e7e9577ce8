"""Named chains and suites: what they stand for, and what a file of one's own may say."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.perturbations import parse_perturbation
from benchmarks.perturbations.conditions import add_chains, built_in
from registry import UserError, load_plugins
from tests.conftest import ROOT

OWN = """
chains:
  office:
    steps: fit:100,messenger
    summary: through the office and a messenger
    source: measured at home
suites:
  work:
    summary: both
    conditions: {office: 3, jpeg:75: 1}
"""


def catalog():
    return load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).perturbations


def test_a_messenger_is_a_resize_and_a_jpeg_of_pillow() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (60, 100, 3)).astype(np.uint8)
    picture = Image.fromarray(levels).resize((2000, 1200))
    stream = BytesIO()
    picture.resize((1600, 960), Image.Resampling.BILINEAR).save(stream, "JPEG", quality=70)
    expected = np.asarray(Image.open(stream))
    found = parse_perturbation("messenger", catalog()).apply(picture, "x", seed=0)
    assert np.array_equal(np.asarray(found), expected)


def test_a_chain_of_named_chains_is_written_out() -> None:
    assert parse_perturbation("forwarded", catalog()).steps == (
        "chain:fit:1600,jpeg:70,fit:1280,jpeg:87,fit:1600,jpeg:70"
    )
    mixed = parse_perturbation("chain:blur:1,screenshot_sent", catalog())
    assert mixed.name == "chain:blur:1,fit:1080,pad:0.06,fit:1600,jpeg:70"
    assert mixed.steps == ""


def test_every_chain_is_documented_with_its_steps_and_its_source() -> None:
    page = (ROOT / "benchmarks" / "docs" / "sharing.md").read_text(encoding="utf-8")
    rows = {row.split("|")[1].strip(): row for row in page.splitlines() if row.startswith("| `")}
    for name, chain in built_in().chains.items():
        assert f"`{chain.steps}`" in rows[f"`{name}`"]
        assert chain.source in rows[f"`{name}`"]
    for name, suite in built_in().suites.items():
        assert name in page
        assert all(f"`{condition}`" in rows[f"`{name}`"] for condition in suite.conditions)


def test_every_condition_of_a_suite_can_be_parsed_and_is_named_canonically() -> None:
    for suite in built_in().suites.values():
        for name in suite.conditions:
            assert parse_perturbation(name, catalog()).name == name
    assert set(built_in().suites["paper"].conditions) == {
        *(f"jpeg:{quality}" for quality in (95, 90, 75, 60, 50)),
        *(f"crop:{ratio}" for ratio in (0.9, 0.8, 0.7, 0.6, 0.5)),
    }


def test_a_file_of_ones_own_adds_chains_and_suites(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    known = catalog()
    found = add_chains([file], known)
    assert found.suite("work").conditions == {"office": 3, "jpeg:75": 1}
    assert parse_perturbation("office", known).steps == "chain:fit:100,fit:1600,jpeg:70"
    assert "office" not in catalog()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "chains: {messenger: {steps: 'jpeg:70', summary: x, source: y}}",
            "'messenger' is taken by d3qe-bench",
        ),
        ("chains: {office: {steps: 'jpeg:70', summary: x}}", "chains.office.source: field required"),
        ("suites: {paper: {summary: x, conditions: {none: 1}}}", "there is a suite 'paper' already"),
        ("suites: {own: {summary: x, conditions: {none: 0}}}", "the weight of none must be above 0"),
        ("chains: {'a:b': {steps: 'jpeg:70', summary: x, source: y}}", "has no colon"),
        ("chains: [", "is not YAML"),
        ("chain: {}", "chain: extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(content)
    with pytest.raises(UserError) as error:
        add_chains([file], catalog())
    assert str(file) in str(error.value)
    assert message in str(error.value)


def test_a_circle_and_a_parameter_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    one = "{steps: 'two,jpeg:70', summary: x, source: y}"
    file.write_text(f"chains: {{one: {one}, two: {one.replace('two', 'one')}}}")
    known = catalog()
    add_chains([file], known)
    with pytest.raises(UserError, match="goes round in a circle: one → two → one"):
        parse_perturbation("one", known)
    with pytest.raises(UserError, match="messenger takes no parameter, got '5'"):
        parse_perturbation("messenger:5", known)
    with pytest.raises(UserError, match="did you mean 'sharing'"):
        built_in().suite("shareing")
