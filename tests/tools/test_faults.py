"""The page of the fault suite says what its numbers say, and the numbers are those that were asked for."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.test_damaged_documents import EACH
from tests.faults.test_damaged_pictures import PICTURES
from tests.faults.test_kills import KILLS
from tools.faults import NUMBERS, PAGE, SAYS, collect, render


def test_page_is_that_of_its_numbers() -> None:
    numbers = json.loads(NUMBERS.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == render(numbers["seconds"], numbers["found"])


def test_as_much_was_broken_as_the_suite_says() -> None:
    found = json.loads(NUMBERS.read_text(encoding="utf-8"))["found"]
    assert found.keys() == SAYS.keys()
    assert set(found["kills"]) == {"run", "train", "data get", "data prepare"}
    assert min(found["kills"].values()) >= KILLS
    pictures = found["damaged pictures"]
    assert pictures["audited"] == PICTURES
    assert sum(pictures.values()) == 2 * PICTURES
    refused, read = (found[kind] for kind in SAYS if kind.startswith("damaged files"))
    assert {refused.get(name, 0) + read.get(name, 0) for name in refused.keys() | read.keys()} == {EACH}
    assert found["downloads"]["wrong"] == 0


def test_counts_of_several_processes_are_summed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"kills": {"run": 3}}')
    (tmp_path / "b.json").write_text('{"kills": {"run": 4, "train": 1}, "damaged pictures": {"audited": 2}}')
    assert collect(tmp_path) == {"kills": {"run": 7, "train": 1}, "damaged pictures": {"audited": 2}}
