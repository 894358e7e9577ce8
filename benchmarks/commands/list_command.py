"""`d3qe-bench list`: what is registered, and by whom."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from benchmarks.text import json_text

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


_COLUMNS = {
    Kind.detectors: ("name", "weights", "summary"),
    Kind.encoders: ("name", "weights", "summary"),
    Kind.datasets: ("name", "summary"),
    Kind.perturbations: ("name", "summary"),
    Kind.metrics: ("name", "higher_is_better", "summary"),
    Kind.plugins: ("name", "status", "registered"),
}


def list_registered(
    kind: Annotated[Kind, typer.Argument(help="What to list")] = Kind.detectors,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every fact, for programs: licence, source, plugin and more")
    ] = False,
    plugin: Annotated[Optional[list[Path]], typer.Option(help="Plugin file to load")] = None,  # noqa: UP045
) -> None:
    """Show registered detectors, data sets, metrics and so on."""
    from benchmarks.loading import load_catalogs

    catalogs = load_catalogs(plugin or ())
    if as_json:
        typer.echo(json_text(_facts(catalogs, kind)), nl=False)
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
    from benchmarks.tables import print_table

    columns = _COLUMNS[kind]
    rows = []
    for facts in _facts(catalogs, kind):
        if kind is Kind.plugins:
            facts["registered"] = f"{facts['error'] or _counts(facts['registered'])}; {facts['origin']}"
        elif facts.get("parameter"):
            facts["summary"] = f"{facts['summary']}: {facts['parameter']}"
        elif "weights" in columns:
            facts["weights"] = _weights_state(facts)
            if facts.get("tables"):
                facts["summary"] += f"; input as in the tables of {facts['tables']}"
        rows.append([_shown(facts[column]) for column in columns])
    print_table(rows, head=[column.replace("_", " ") for column in columns])


def _counts(registered: Sequence[str]) -> str:
    """`3 detectors, 1 data set` of `detector a`, `detector b` and so on."""
    kinds = Counter(one.rpartition(" ")[0] for one in registered)
    return (
        ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items()) or "nothing"
    )


def _weights_state(facts: dict[str, Any]) -> str:
    from benchmarks.loading.locate import find
    from registry import DetectorCard, EncoderCard, PublishedWeights

    card_class = DetectorCard if "needs_weights" in facts else EncoderCard
    if not facts.get("needs_weights", True):
        return "none needed"
    published = tuple(PublishedWeights(**one) for one in facts["weights"])
    if find(facts["name"], card_class(weights=published)):
        return "present"
    if published or facts.get("variants"):
        return "can be fetched"
    return "train your own" if card_class is DetectorCard else "name a file"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
