"""When a generator became public, by its name; what is not in `releases.yaml` is unknown."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.paradigms import known_as, same_generator
from benchmarks.yaml12 import load_yaml
from registry.errors import UserError

_FILE = Path(__file__).with_name("releases.yaml")


@dataclass(frozen=True)
class Release:
    """month: `YYYY-MM`. source: where the date is from."""

    month: str
    source: str

    @property
    def number(self) -> int:
        """Months since the year 0, so that differences count months."""
        return month_number(self.month)


def month_number(text: str) -> int:
    """`YYYY-MM` as months since the year 0; raises `UserError` for anything else."""
    if not (found := re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text)):
        raise UserError(f"a month is written YYYY-MM, as in 2023-07, got {text!r}")
    return 12 * int(found[1]) + int(found[2]) - 1


def release_of(generator: str, told: Mapping[str, str] | None = None) -> Release | None:
    """The release of a generator, None where it is unknown.

    told: generator → month, over the file; names match as `same_generator`.
    """
    for name, month in (told or {}).items():
        if same_generator(name, generator):
            month_number(month)
            return Release(month, "told")
    known = known_as(generator, releases())
    return releases()[known] if known else None


@functools.cache
def releases() -> dict[str, Release]:
    """The file, by each name in small letters and digits."""
    return {
        re.sub(r"[^a-z0-9]", "", name): Release(entry["released"], entry["source"])
        for entry in load_yaml(_FILE.read_text(encoding="utf-8"))
        for name in entry["names"]
    }
