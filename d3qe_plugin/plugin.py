"""Registers D³QE and the encoders it reads. Imports no torch."""

from __future__ import annotations

from registry import hookimpl
from registry.hookspecs import Register


@hookimpl
def register_encoders(register: Register) -> None:
    """The frozen networks that D³QE and the CLIP baselines share."""


@hookimpl
def register_detectors(register: Register) -> None:
    """D³QE."""
