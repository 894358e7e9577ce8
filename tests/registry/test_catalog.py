"""Names, cards and errors: lazy, and helpful where a name is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from registry import DetectorCard, MetricCard, UserError
from registry.card import make_card
from registry.catalog import Catalog, Entry
from registry.errors import nearest, unknown_name


def catalog(*entries: tuple[str, object]) -> Catalog[DetectorCard]:
    table = Catalog("detector", DetectorCard)
    for name, target in entries:
        table.add(Entry(name, target, DetectorCard(), "test 1.0"))  # type: ignore[arg-type]
    return table


def make(size: int = 3, *, colour: str = "red") -> tuple[int, str]:
    return size, colour


def test_names_keep_the_order_of_registration() -> None:
    table = catalog(("zebra", make), ("ant", make))
    assert table.names() == ["zebra", "ant"]
    assert [entry.name for entry in table] == table.names()
    assert len(table) == 2
    assert "ant" in table
    assert "bee" not in table


def test_create_passes_options_and_refuses_unknown_ones() -> None:
    table = catalog(("it", make))
    assert table.create("it", size=4) == (4, "red")
    with pytest.raises(UserError, match=r"detector 'it' has no option 'color', did you mean 'colour'\? "):
        table.create("it", color="blue")


def test_a_factory_with_open_options_takes_any() -> None:
    table = catalog(("it", lambda **options: options))
    assert table.create("it", anything=1) == {"anything": 1}


def test_a_target_is_imported_only_when_asked_for() -> None:
    assert "colorsys" not in sys.modules or sys.modules.pop("colorsys")
    table = catalog(("it", "colorsys:rgb_to_hsv"))
    table.entry("it")
    assert "colorsys" not in sys.modules
    assert table.create("it", r=0, g=0, b=0) == (0.0, 0.0, 0)


def test_a_nested_object_can_be_named() -> None:
    assert catalog(("it", "pathlib:Path.cwd")).create("it") == Path.cwd()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module:Thing", "ModuleNotFoundError"),
        ("pathlib:NoSuchThing", "has no attribute 'NoSuchThing'"),
        ("pathlib", "cannot be loaded"),
        ("sys:maxsize", "sys:maxsize is not callable"),
    ],
)
def test_a_target_that_cannot_be_loaded_names_its_plugin(target: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        catalog(("it", target)).create("it")
    assert "'it' from test 1.0" in str(caught.value)


@pytest.mark.parametrize("code", ["raise RuntimeError('boom')", "import sys; sys.exit('boom')", "boom ="])
def test_a_module_that_raises_anything_is_the_users_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "strangers_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"'it' from test 1\.0 cannot be loaded"):
        catalog(("it", "strangers_module:Thing")).create("it")


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    with pytest.raises(UserError) as caught:
        catalog(("ferretnet_s", make), ("d3qe", make)).entry("FerretNet")
    assert (
        str(caught.value)
        == "unknown detector 'FerretNet', did you mean 'ferretnet_s'? (known: d3qe, ferretnet_s)"
    )


def test_nothing_near_and_nothing_known() -> None:
    assert nearest("qqqq", ["d3qe"]) == ""
    assert str(unknown_name("metric", "x", [])) == "unknown metric 'x' (known: none)"


def test_cards_refuse_unknown_facts() -> None:
    assert make_card(MetricCard, {"higher_is_better": False}) == MetricCard(higher_is_better=False)
    with pytest.raises(
        UserError, match=r"MetricCard has no fact 'higher', did you mean 'higher_is_better'\?"
    ):
        make_card(MetricCard, {"higher": True})


def test_cards_are_values() -> None:
    assert hash(DetectorCard(summary="a")) == hash(DetectorCard(summary="a"))
    assert DetectorCard().protocols == ("original",)
