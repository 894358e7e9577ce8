"""Detectors over the release dates of generators: do they hold on what came after they were trained?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from markupsafe import Markup, escape

from benchmarks.datasets.releases import Release, month_number, release_of
from benchmarks.files import write_texts
from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.intervals import Limits, combined, correlation_of
from benchmarks.reports.load import Run
from benchmarks.reports.page.outline import outlined
from benchmarks.reports.svg import inline_svg
from benchmarks.reports.templates import environment
from benchmarks.runfolder.replicates import kept_replicates
from benchmarks.runfolder.scores import CLEAN, Cell
from benchmarks.text import csv_text, in_markdown, plain
from registry.errors import UserError, unknown_name

NAME = "timeline"


@dataclass(frozen=True)
class Dated:
    """One test set. release: of its generator, None where it is unknown."""

    dataset: str
    generator: str
    release: Release | None


@dataclass(frozen=True)
class Held:
    """One detector. until: the month up to which generators count as known.

    values: by test set, complete cells on clean pictures only. known, later: mean over sets of generators released until
    then, and after; None without such sets. change: later minus known, with its 95 % interval where there are resamples.
    """

    detector: str
    until: str
    values: dict[str, float]
    n_known: int
    n_later: int
    known: float | None
    later: float | None
    change: float | None
    low: float | None = None
    high: float | None = None

    def months(self, one: Dated) -> int | None:
        """Months from `until` to a set's generator, negative for one that was there before; None where unknown."""
        return one.release.number - month_number(self.until) if one.release else None


@dataclass(frozen=True)
class Timeline:
    """sets: by date, those without one last."""

    run: str
    metric: str
    sets: list[Dated]
    rows: list[Held]


def make_timeline(
    run: Run, until: Mapping[str, str], metric: str = "auroc", told: Mapping[str, str] | None = None
) -> Timeline:
    """Every detector of a run that `until` has a month for, on clean pictures.

    until: detector → `YYYY-MM`. told: generator → `YYYY-MM`, over the table of release dates.

    Raises:
        UserError: an unknown detector, metric or generator, something that is no month, or no dated test set.
    """
    for name in until:
        if name not in run.detectors:
            raise unknown_name("detector of this run", name, run.detectors)
    if metric not in run.metrics["metrics"]:
        raise unknown_name("metric of this run", metric, run.metrics["metrics"])
    generators = {cell["dataset"]: cell["generator"] for cell in run.cells()}
    for name in told or {}:
        if name not in generators.values():
            raise unknown_name("generator of this run", name, set(generators.values()))
    sets = [Dated(name, generator, release_of(generator, told)) for name, generator in generators.items()]
    sets.sort(key=lambda one: (one.release is None, one.release.month if one.release else "", one.dataset))
    if not any(one.release for one in sets):
        raise UserError(
            f"no generator of {run.label} has a known release date: say them with --released GENERATOR=YYYY-MM"
        )
    kept = kept_replicates(run.folder, CLEAN, [metric]) if run.folder else {}
    drawn = {cell: found[metric] for (cell, _), found in kept.items() if metric in found}
    rows = [_held(run, name, month, metric, sets, drawn) for name, month in until.items()]
    return Timeline(run.label, metric, sets, rows)


def _held(
    run: Run, detector: str, until: str, metric: str, sets: Sequence[Dated], drawn: Mapping[Cell, np.ndarray]
) -> Held:
    limit = month_number(until)
    cells = {
        cell["dataset"]: cell
        for cell in run.cells()
        if (cell["detector"], cell["perturbation"], cell["status"]) == (detector, CLEAN, COMPLETE)
    }
    values = {
        name: value for name, cell in cells.items() if (value := cell["metrics"].get(metric)) is not None
    }
    dated = [one for one in sets if one.release and one.dataset in values]
    parts = [
        [one.dataset for one in dated if one.release and (one.release.number > limit) == later]
        for later in (False, True)
    ]
    means = [float(np.mean([values[name] for name in part])) if part else None for part in parts]
    known, later = means
    counts = len(parts[0]), len(parts[1])
    if known is None or later is None:
        return Held(detector, until, values, counts[0], counts[1], known, later, None)
    low = high = None
    names = [*parts[0], *parts[1]]
    resamples = [drawn[cell] for name in names if (cell := Cell(detector, name, CLEAN)) in drawn]
    own = {name: Limits(values[name], *ci) for name in names if (ci := cells[name]["ci"].get(metric))}
    if len(resamples) == len(own) == len(names):
        was, became = ([own[name] for name in part] for part in parts)
        change = change_of_means(was, became, resamples)
        low, high = change.low, change.high
    return Held(detector, until, values, counts[0], counts[1], known, later, later - known, low, high)


def change_of_means(
    known: Sequence[Limits], later: Sequence[Limits], replicates: Sequence[np.ndarray]
) -> Limits:
    """The interval of the mean over `later` test sets less that over `known` ones.

    replicates: (resamples,) of each set, the known ones first; paired where sets share pictures.
    """
    weights = np.repeat([-1 / len(known), 1 / len(later)], [len(known), len(later)])
    return combined([*known, *later], weights, correlation_of(np.stack(replicates), np.sign(weights)))


def figure(found: Timeline) -> str:
    """The metric against months since each detector's own month, as SVG that takes the colour of the text around it."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 4.2), layout="constrained")
    axes = drawing.subplots()
    axes.axvline(0, color="#808890", linewidth=1)
    for row, marker in zip(found.rows, cycle("osD^vPX*"), strict=False):
        points = [
            (months, row.values[one.dataset])
            for one in found.sets
            if (months := row.months(one)) is not None and one.dataset in row.values
        ]
        axes.plot([x for x, _ in points], [y for _, y in points], marker, markersize=6, alpha=0.85, label="_")
        axes.plot([], [], marker, color=axes.lines[-1].get_color(), label=f"\u200b{plain(row.detector)}")
    axes.set_xlabel("months from each detector's month to the release of the generator")
    axes.set_ylabel(f"{found.metric}, clean pictures")
    legend = drawing.legend(loc="outside right upper", frameon=False)
    for label in legend.get_texts():
        label.set_parse_math(False)
    return inline_svg(drawing, found.run)


def write_timeline(found: Timeline, out: Path) -> list[Path]:
    """Write `timeline.md`, `.csv`, `.svg` and `.html`; returns the files."""
    drawing = figure(found)
    rows = [
        {
            "detector": row.detector,
            "until": row.until,
            "dataset": one.dataset,
            "generator": one.generator,
            "released": one.release.month if one.release else "",
            "source": one.release.source if one.release else "",
            "months": row.months(one),
            "metric": found.metric,
            "value": row.values.get(one.dataset),
        }
        for row in found.rows
        for one in found.sets
    ]
    numbers = csv_text(list(rows[0]) if rows else [], rows)
    page = outlined("benchmarks.reports", "templates").get_template("timeline.html.j2")
    texts = {
        f"{NAME}.md": environment(in_markdown).get_template("timeline.md.j2").render(found=found),
        f"{NAME}.csv": numbers,
        f"{NAME}.svg": drawing,
        f"{NAME}.html": page.render(found=found, drawing=Markup(drawing), csv=Markup(escape(numbers))),
    }
    return write_texts(out, texts)
