"""Counts of the fault suite, kept where `python -m tools.faults` collects them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.counts import Counts

FOLDER_VARIABLE = "D3QE_FAULTS_COUNTS"


@pytest.fixture(scope="module")
def counts(request: pytest.FixtureRequest) -> Iterator[Counts]:
    """What the tests of a module did; written when they have ended, if somebody collects it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    found = Counts(Path(folder) if folder else None)
    yield found
    found.write(request.module.__name__)
