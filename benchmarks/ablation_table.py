"""The table of an ablation: one row per network of a run, means over its trainings, and numbers of its own.

    python -m benchmarks.ablation_table benchmarks/configs/run_ablations_mini.yaml --against d3at --figure ablations.png

Reads what `d3qe-bench run` left in the configuration's folder. A network that was trained by several seeds is one row:
mean ± standard deviation over seeds, in brackets the range. `--against` adds a table of differences from one network, on
each test set and over all, with intervals and tests that count both seeds and pictures. A number is one in the JSON of
a registered figure, which is drawn of every training on the same pictures; a dash stands where the figure refuses a
network, and its reason below the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.config import DetectorSettings, RunSettings, parse_settings, read_settings
from benchmarks.datasets import requested_test_sets
from benchmarks.drawing import choose_figures, draw_figures
from benchmarks.loading import load_catalogs, open_session
from benchmarks.metrics.over_seeds import spread_of
from benchmarks.reports.board import BoardRow, Column, boards
from benchmarks.reports.load import Run, read_runs
from benchmarks.reports.statistics.compare import BOOTSTRAP, SEEDS, compare
from benchmarks.reports.statistics.paired import holm
from benchmarks.reports.statistics.verdicts import ALPHA
from benchmarks.runfolder.scores import CLEAN
from benchmarks.text import in_markdown
from registry import Catalogs, UserError
from registry.errors import unknown_name
from registry.files import atomic

METRICS = ("acc", "ap")
DIFFERENCES = "ap"
"""The metric that networks are compared by."""


@dataclass
class AblationRow:
    """One network. values: column → one value per training, in the order of `seeds`; empty where there is none.

    seeds: of its trainings; empty where it was trained once, by a seed that the run does not know. reasons: why there
    is no value.
    """

    name: str
    values: dict[str, list[float]]
    seeds: tuple[int, ...] = ()
    reasons: list[str] = field(default_factory=list)


def trainings(settings: RunSettings) -> dict[str, list[DetectorSettings]]:
    """The detectors of a configuration by the network that they are trainings of, in its order."""
    found: dict[str, list[DetectorSettings]] = {}
    for detector in settings.detectors:
        found.setdefault(detector.group or detector.shown, []).append(detector)
    return found


def mean_rows(settings: RunSettings, run: Run) -> list[AblationRow]:
    """Means over all test sets of each training, clean pictures."""
    found = {
        mean["detector"]: mean["metrics"]
        for mean in run.metrics["means"]
        if mean["scope"] == "all" and mean["perturbation"] == CLEAN
    }
    missing = [label for label in settings.labels if label not in found]
    if missing:
        raise UserError(f"{settings.out} has no results of {', '.join(missing)}: run the configuration first")
    return [
        AblationRow(
            name,
            {
                f"mean {metric}": [
                    value for one in members if (value := found[one.shown][metric]) is not None
                ]
                for metric in METRICS
            },
            tuple(one.seed for one in members if one.seed is not None),
        )
        for name, members in trainings(settings).items()
    ]


def add_numbers(
    rows: Sequence[AblationRow],
    settings: RunSettings,
    catalogs: Catalogs,
    numbers: Sequence[str],
    limit: int | None,
) -> None:
    """Draw the figures into OUT/figures/TRAINING and put the numbers into the rows."""
    test_sets = requested_test_sets(settings.model_copy(update={"limit": limit or settings.limit}), catalogs)
    figures = list(dict.fromkeys(number.partition(":")[0] for number in numbers))
    for row, members in zip(rows, trainings(settings).values(), strict=True):
        row.values |= {number.partition(":")[2]: [] for number in numbers}
        for detector in members:
            one = settings.model_copy(update={"detectors": [detector]})
            session = open_session(one, catalogs=catalogs, labels=settings.labels)
            shown = detector.shown
            if session.failed:
                raise UserError(f"{shown} cannot be built: {session.failed[shown]}")
            choose_figures(catalogs, detector.name, figures)
            for figure in figures:
                folder = settings.out / "figures" / shown
                try:
                    draw_figures(
                        catalogs,
                        [figure],
                        session.detectors[shown],
                        shown,
                        session.encoders,
                        test_sets,
                        folder,
                    )
                except UserError as error:
                    reason = str(error).replace(shown, row.name)
                    row.reasons += [reason] if reason not in row.reasons else []
                    continue
                content = json.loads((folder / f"{figure}.json").read_text(encoding="utf-8"))
                for number in numbers:
                    name, _, key = number.partition(":")
                    if name == figure:
                        row.values[key].append(_at(content, key))


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
        "| network | seeds | " + " | ".join(map(in_markdown, columns)) + " |",
        "|:--|:--" + "|--:" * len(columns) + "|",
    ]
    for row in rows:
        seeds = ", ".join(map(str, row.seeds)) if len(row.seeds) > 1 else "one training"
        shown = (_with_spread(values) for values in row.values.values())
        lines.append(f"| {in_markdown(row.name)} | {seeds} | " + " | ".join(shown) + " |")
    reasons = [f"– {in_markdown(reason)}" for row in rows for reason in row.reasons]
    return "\n".join([*lines, *(["", *reasons] if reasons else []), ""])


def _with_spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = spread_of(values)
    if spread is None:
        return f"{values[0]:.3g}"
    deviation, low, high = spread["standard_deviation"], spread["lowest"], spread["highest"]
    return f"{fmean(values):.3g} ± {deviation:.2g} ({low:.3g} to {high:.3g})"


@dataclass(frozen=True)
class PairedDifference:
    """A network's mean figure less that of another, on one column. p_holm: corrected over all networks of the column."""

    network: str
    column: Column
    value: float
    low: float
    high: float
    p_holm: float


def differences(run: Run, reference: str) -> Iterator[PairedDifference]:
    """Every other network against `reference`, on every test set and over all; nothing without bootstrap resamples."""
    (board,) = [board for board in boards([run], [DIFFERENCES]) if board.perturbation == CLEAN]
    key = (run.label, reference)
    if key not in {row.key for row in board.rows}:
        raise unknown_name("network in --against", reference, [row.detector for row in board.rows])
    table = compare([run], [DIFFERENCES])
    table = table[(table["perturbation"] == CLEAN) & table["test"].isin([SEEDS, BOOTSTRAP])]
    for column in _columns(board.columns):
        found = table[
            [
                pictures == column.pictures and key in (first, second)
                for pictures, first, second in zip(
                    table["pictures"], table["first"], table["second"], strict=True
                )
            ]
        ]
        corrected = holm(found["p"].to_numpy(dtype=float))
        for row, p in zip(found.to_dict("records"), corrected, strict=True):
            forward = row["second"] == key
            sign = 1 if forward else -1
            low, high = sorted((sign * row["low"], sign * row["high"]))
            name = (row["first"] if forward else row["second"])[1]
            yield PairedDifference(name, column, sign * row["difference"], low, high, float(p))


def _columns(columns: Sequence[Column]) -> list[Column]:
    """Single test sets, and what is over all of them."""
    return [
        column for column in columns if not column.is_mean or (column.group == "all" and not column.repeats)
    ]


def differences_markdown(run: Run, reference: str) -> str:
    """The differences as a table; those that survive in bold."""
    found = list(differences(run, reference))
    columns = list(dict.fromkeys(one.column for one in found))
    names = [name for name in run.table_detectors if name != reference]
    by_place = {(one.network, one.column): one for one in found}
    lines = [
        f"{DIFFERENCES} − {DIFFERENCES} of {in_markdown(reference)}, with 95 % intervals; bold: p < {ALPHA} (Holm over the "
        f"{len(names)} networks of a column)",
        "",
        "| network | "
        + " | ".join(in_markdown(f"{column.group}: {column.label}") for column in columns)
        + " |",
        "|:--" + "|--:" * len(columns) + "|",
    ]
    for name in names:
        shown = (_difference(by_place.get((name, column))) for column in columns)
        lines.append(f"| {in_markdown(name)} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, ""])


def _difference(one: PairedDifference | None) -> str:
    if one is None:
        return "–"
    text = f"{one.value:+.3f}"
    if np.isfinite(one.low):
        text += f" [{one.low:+.3f}, {one.high:+.3f}]"
    return f"**{text}**" if one.p_holm < ALPHA else text


def draw(run: Run, path: Path) -> None:
    """Networks down, one field per test set and one for the mean: every training's figure, and mean with interval."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    (board,) = [board for board in boards([run], [DIFFERENCES]) if board.perturbation == CLEAN]
    columns, rows = _columns(board.columns), board.rows
    single = {
        (cell["detector"], cell["dataset"]): cell["metrics"][DIFFERENCES]
        for cell in run.cells()
        if cell["perturbation"] == CLEAN
    }
    over_all = {
        mean["detector"]: mean["metrics"][DIFFERENCES]
        for mean in run.metrics["means"]
        if mean["perturbation"] == CLEAN and mean["scope"] == "all"
    }
    figure = Figure(figsize=(2 + 2.1 * len(columns), 1.3 + 0.32 * len(rows)), layout="constrained")
    fields = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(fields, columns, strict=True):
        for y, row in enumerate(rows):
            entry = board.entries[row, column]
            labels = run.groups.get(row.detector, {"": row.detector}).values()
            dataset = next(iter(column.pictures))[0]
            points = [over_all[one] if column.is_mean else single[one, dataset] for one in labels]
            axes.plot(
                points, [y] * len(points), "o", color="#0072b2", alpha=0.5, markersize=4, markeredgewidth=0
            )
            if entry.low is not None and entry.high is not None:
                axes.plot([entry.low, entry.high], [y, y], "-", color="black", linewidth=1)
            axes.plot([entry.value], [y], "|", color="black", markersize=9, markeredgewidth=1.6)
        axes.set_title(f"{column.group}: {column.label}", fontsize=9)
        axes.set_xlabel(DIFFERENCES)
        axes.grid(axis="x", linewidth=0.4)
    fields[0].set_yticks(range(len(rows)), [_tick(row) for row in rows])
    fields[0].invert_yaxis()
    with mpl.rc_context({"svg.hashsalt": path.stem}), atomic(path) as draft:
        figure.savefig(draft, format=path.suffix[1:], dpi=110)


def _tick(row: BoardRow) -> str:
    return f"{row.detector} ({len(row.seeds) or 1})"


def main(
    config: Annotated[Path, typer.Argument(help="Configuration of the run")],
    number: Annotated[list[str] | None, typer.Option(help="FIGURE:KEY, a key inside another as A.B")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Draw figures of at most this many pictures per class and set")
    ] = None,
    against: Annotated[str, typer.Option(help="Also the differences from this network")] = "",
    figure: Annotated[Path | None, typer.Option(help="Draw all trainings into this .png or .svg")] = None,
) -> None:
    """Print the table and write it to OUT/ablations.md."""
    if figure is not None and figure.suffix not in (".png", ".svg"):
        raise UserError(f"--figure {figure}: name a .png or .svg file")
    settings = parse_settings(RunSettings, read_settings(config), str(config))
    (run,) = read_runs([settings.out])
    rows = mean_rows(settings, run)
    if number:
        add_numbers(rows, settings, load_catalogs(settings.plugins), number, limit)
    text = markdown(rows)
    if against:
        text += f"\n{differences_markdown(run, against)}"
    if figure is not None:
        draw(run, figure)
    with atomic(settings.out / "ablations.md") as draft:
        draft.write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    run_script(main)
