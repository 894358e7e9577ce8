"""Marks of tests that need an outside suite in their own process."""

from __future__ import annotations

import importlib.util

import pytest

NEEDS_DETECTZOO = [
    pytest.mark.hosts,
    pytest.mark.skipif(
        importlib.util.find_spec("detectzoo") is None,
        reason="detectzoo is not installed: make test-hosts installs it",
    ),
]
