"""The table of release dates: what it says, and what it does not know."""

from __future__ import annotations

import re

import pytest

from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.datasets.releases import month_number, release_of, releases
from registry import UserError
from registry.dataset import UNKNOWN_PARADIGM


def test_every_date_has_a_source_that_agrees_and_a_generator_that_is_known() -> None:
    assert len(releases()) > 70
    for name, release in releases().items():
        assert paradigm_of(name) != UNKNOWN_PARADIGM, name
        month_number(release.month)
        year, month = release.month.split("-")
        if arxiv := re.fullmatch(r"arXiv (\d\d)(\d\d)\.\d{5}", release.source):
            assert (f"20{arxiv[1]}", arxiv[2]) == (year, month), name
        else:
            assert year in release.source, name


@pytest.mark.parametrize(
    ("generator", "month"),
    [
        ("VAR", "2024-04"),
        ("Janus_Pro-7B", "2025-01"),
        ("janus", "2024-10"),
        ("StyleGAN2-church", "2019-12"),
        ("imagenet_ai_0419_sdv4", "2022-08"),
        ("FLUX-schnell", "2024-08"),
        ("Midjourney", None),
        ("mini/raster", None),
    ],
)
def test_names_are_matched_as_paradigms_are(generator: str, month: str | None) -> None:
    found = release_of(generator)
    assert (found.month if found else None) == month


def test_what_the_user_tells_wins_and_has_to_be_a_month() -> None:
    told = release_of("VAR", {"var": "2020-01"})
    assert told is not None
    assert (told.month, told.source) == ("2020-01", "told")
    assert month_number("2024-01") - month_number("2023-11") == 2
    for text in ("2023", "2023-13", "2023-1", "July 2023", ""):
        with pytest.raises(UserError, match="a month is written YYYY-MM"):
            month_number(text)
