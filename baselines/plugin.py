"""Registers the wrapped baselines. Imports no torch."""

from __future__ import annotations

from registry import hookimpl
from registry.hookspecs import Register


@hookimpl
def register_detectors(register: Register) -> None:
    """The baselines, one file each."""
