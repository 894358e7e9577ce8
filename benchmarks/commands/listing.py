"""`d3qe-bench list`: what is registered, and by whom."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from registry import Catalogs


class Kind(StrEnum):
    """What can be listed."""

    detectors = "detectors"
    encoders = "encoders"
    datasets = "datasets"
    perturbations = "perturbations"
    metrics = "metrics"
    plugins = "plugins"


def list_registered(
    kind: Annotated[Kind, typer.Argument(help="What to list")] = Kind.detectors,
    as_json: Annotated[bool, typer.Option("--json", help="Every fact, for programs")] = False,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Show registered detectors, encoders, data sets, perturbations, metrics or plugins."""
    from benchmarks.loading import load_catalogs

    catalogs = load_catalogs(plugin or ())
    if as_json:
        typer.echo(json.dumps(_facts(catalogs, kind), indent=2, ensure_ascii=False))
        return
    _print_table(catalogs, kind)


def _facts(catalogs: Catalogs, kind: Kind) -> list[dict[str, Any]]:
    if kind is Kind.plugins:
        return [dataclasses.asdict(plugin) for plugin in catalogs.plugins]
    catalog = getattr(catalogs, kind.value)
    return [
        {"name": entry.name, "origin": entry.origin, **dataclasses.asdict(entry.card)} for entry in catalog
    ]


def _print_table(catalogs: Catalogs, kind: Kind) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = {
        Kind.detectors: ("name", "weights", "licence", "from", "summary"),
        Kind.encoders: ("name", "weights", "licence", "from", "summary"),
        Kind.datasets: ("name", "from", "summary"),
        Kind.perturbations: ("name", "from", "parameter", "summary"),
        Kind.metrics: ("name", "from", "higher is better", "summary"),
        Kind.plugins: ("name", "status", "origin", "error", "registered"),
    }[kind]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "weights", "from"), overflow="fold")
    for facts in _facts(catalogs, kind):
        facts["from"] = facts["origin"].partition(" (")[0]
        facts["higher is better"] = facts.get("higher_is_better")
        facts["weights"] = _weights_state(facts) if "weights" in columns else ""
        table.add_row(*(_shown(facts[column]) for column in columns))
    Console().print(table)


def _weights_state(facts: dict[str, Any]) -> str:
    from benchmarks.loading.locate import find
    from registry import DetectorCard, EncoderCard, PublishedWeights

    card_class = DetectorCard if "needs_weights" in facts else EncoderCard
    if not facts.get("needs_weights", True):
        return "none needed"
    published = tuple(PublishedWeights(**one) for one in facts["weights"])
    if find(facts["name"], card_class(weights=published)):
        return "present"
    return "can be fetched" if published else "train your own"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
