"""Registers the built-in data set layouts, perturbations and metrics. Imports no torch."""

from __future__ import annotations

from registry import hookimpl
from registry.hookspecs import Register


@hookimpl
def register_datasets(register: Register) -> None:
    """On-disk layouts, one file each, in the order in which they are tried on a folder."""


@hookimpl
def register_perturbations(register: Register) -> None:
    """Perturbations of the decoded picture, one file each."""


@hookimpl
def register_metrics(register: Register) -> None:
    """Metrics of one cell."""
