"""Every hook, command, option, configuration key and metric is documented, and says something."""

from __future__ import annotations

import pytest

from registry import PerturbationCard, card, load_plugins
from registry.plugins import RESTRICT_VARIABLE
from tests.conftest import ROOT
from tests.docs import reference

DOCS = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "benchmarks" / "docs").glob("*.md")}
HOW_TO = "".join(text for name, text in DOCS.items() if name.startswith("add-"))


def test_the_reference_page_is_what_the_code_says() -> None:
    assert DOCS["reference.md"] == reference.render(), (
        "python -m tests.docs.reference > benchmarks/docs/reference.md brings it up to date"
    )


@pytest.mark.parametrize("hook", [name for name, _ in reference.hooks()])
def test_every_hook_is_in_the_how_to_pages_too(hook: str) -> None:
    assert f"`{hook}`" in HOW_TO
    assert f"`{hook}`" in DOCS["reference.md"]


def test_every_command_and_option_says_what_it_does() -> None:
    silent = []
    for name, command in reference.all_commands():
        if not command.help:
            silent.append(name)
        silent += [f"{name} {shown}" for shown, meaning in reference.parameters(command) if not meaning]
    assert silent == []


def test_every_configuration_key_says_what_it_means() -> None:
    assert [
        f"{kind.__name__}.{key}"
        for kind in reference.all_settings()
        for key, *_, meaning in reference.keys(kind)
        if not meaning
    ] == []


def test_every_metric_perturbation_and_data_set_has_a_summary() -> None:
    catalogs = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})
    for catalog in catalogs.by_hook().values():
        assert [entry.name for entry in catalog if not entry.card.summary] == []


@pytest.mark.parametrize("kind", [card.DetectorCard, card.DatasetCard, PerturbationCard, card.MetricCard])
def test_every_fact_of_a_card_is_in_the_how_to_pages(kind: type) -> None:
    assert [name for name in kind.__dataclass_fields__ if name not in HOW_TO] == []


def test_the_variable_that_restricts_plugins_is_documented() -> None:
    assert RESTRICT_VARIABLE in HOW_TO
