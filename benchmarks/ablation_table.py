"""The table of an ablation: one row per network of a run, its mean figures, and numbers of its own.

    python -m benchmarks.ablation_table benchmarks/configs/run_ablations.yaml --number delta_sensitivity:noise.mean

Reads what `d3qe-bench run` left in the configuration's folder. A number is one in the JSON of a
registered figure, which is drawn of every network on the same pictures; a dash stands where the
figure refuses a network, and its reason below the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.commands.outcome import run_script
from benchmarks.config import RunSettings, parse_settings, read_settings
from benchmarks.datasets import requested_test_sets
from benchmarks.drawing import choose_figures, draw_figures
from benchmarks.loading import load_catalogs, open_session
from benchmarks.reports import load_metrics
from benchmarks.runfolder.scores import CLEAN
from benchmarks.text import in_markdown
from registry import Catalogs, UserError
from registry.files import atomic

METRICS = ("acc", "ap")


@dataclass
class AblationRow:
    """One network. values: column → value, None where there is none. reasons: why there is none."""

    name: str
    values: dict[str, float | None]
    reasons: list[str] = field(default_factory=list)


def mean_rows(settings: RunSettings) -> list[AblationRow]:
    """Means over all test sets of each detector, clean pictures, in the order of the configuration."""
    metrics = load_metrics(settings.out)
    found = {
        mean["detector"]: mean["metrics"]
        for mean in metrics["means"]
        if mean["scope"] == "all" and mean["perturbation"] == CLEAN
    }
    missing = [detector.shown for detector in settings.detectors if detector.shown not in found]
    if missing:
        raise UserError(f"{settings.out} has no results of {', '.join(missing)}: run the configuration first")
    return [
        AblationRow(detector.shown, {f"mean {name}": found[detector.shown][name] for name in METRICS})
        for detector in settings.detectors
    ]


def add_numbers(
    rows: Sequence[AblationRow],
    settings: RunSettings,
    catalogs: Catalogs,
    numbers: Sequence[str],
    limit: int | None,
) -> None:
    """Draw the figures into OUT/figures/NETWORK and put the numbers into the rows."""
    test_sets = requested_test_sets(settings.model_copy(update={"limit": limit or settings.limit}), catalogs)
    figures = list(dict.fromkeys(number.partition(":")[0] for number in numbers))
    for row, detector in zip(rows, settings.detectors, strict=True):
        one = settings.model_copy(update={"detectors": [detector]})
        session = open_session(one, catalogs=catalogs, labels=settings.labels)
        if session.failed:
            raise UserError(f"{row.name} cannot be built: {session.failed[row.name]}")
        choose_figures(catalogs, detector.name, figures)
        content = {}
        for figure in figures:
            folder = settings.out / "figures" / row.name
            try:
                draw_figures(
                    catalogs,
                    [figure],
                    session.detectors[row.name],
                    row.name,
                    session.encoders,
                    test_sets,
                    folder,
                )
                content[figure] = json.loads((folder / f"{figure}.json").read_text(encoding="utf-8"))
            except UserError as error:
                row.reasons.append(str(error))
        for number in numbers:
            figure, _, key = number.partition(":")
            row.values[key] = _at(content[figure], key) if figure in content else None


def _at(content: Mapping[str, Any], key: str) -> float:
    value: Any = content
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise UserError(f"the figure has no number {key!r} (known at this place: {', '.join(value)})")
        value = value[part]
    return float(value)


def markdown(rows: Sequence[AblationRow]) -> str:
    """The rows as a table, with the reasons of its gaps below."""
    columns = list(rows[0].values)
    lines = [
        "| network | " + " | ".join(map(in_markdown, columns)) + " |",
        "|:--" + "|--:" * len(columns) + "|",
    ]
    for row in rows:
        shown = ("–" if value is None else f"{value:.3g}" for value in row.values.values())
        lines.append(f"| {in_markdown(row.name)} | " + " | ".join(shown) + " |")
    reasons = [f"– {in_markdown(reason)}" for row in rows for reason in row.reasons]
    return "\n".join([*lines, *(["", *reasons] if reasons else []), ""])


def main(
    config: Annotated[Path, typer.Argument(help="Configuration of the run")],
    number: Annotated[list[str] | None, typer.Option(help="FIGURE:KEY, a key inside another as A.B")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Draw figures of at most this many pictures per class and set")
    ] = None,
) -> None:
    """Print the table and write it to OUT/ablations.md."""
    settings = parse_settings(RunSettings, read_settings(config), str(config))
    rows = mean_rows(settings)
    if number:
        add_numbers(rows, settings, load_catalogs(settings.plugins), number, limit)
    text = markdown(rows)
    with atomic(settings.out / "ablations.md") as draft:
        draft.write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    run_script(main)
