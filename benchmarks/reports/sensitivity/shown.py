"""Writes how far a run's detectors move with the way they are fed: page, text, tables and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from benchmarks.files import write_json, write_texts
from benchmarks.reports.page.outline import outlined
from benchmarks.reports.sensitivity.chosen import Chosen
from benchmarks.reports.sensitivity.moved import (
    DEFAULT,
    Moved,
    Sensitivity,
    SensitivityReport,
    flat,
    warning,
)
from benchmarks.reports.svg import inline_svg
from benchmarks.reports.templates import environment
from benchmarks.text import csv_text, in_markdown, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "sensitivity"
MEAN = "mean"


def write(found: SensitivityReport, chosen: Sequence[Chosen], validation: str, out: Path) -> list[Path]:
    """Write `sensitivity.html`, `.md`, `.csv`, `.json` and `.svg`; returns the files."""
    drawing = figure(found)
    context: dict[str, Any] = {
        "found": found,
        "chosen": chosen,
        "validation": validation,
        "warning": warning(found),
        "number": number,
        "moved": moved_text,
        "MEAN": MEAN,
        "columns": [] if found.single else found.datasets,
    }
    rows = list(flat(found))
    numbers = csv_text(list(rows[0]), rows)
    page = outlined("benchmarks.reports.sensitivity").get_template("page.html.j2")
    written = write_texts(
        out,
        {
            f"{NAME}.md": environment(in_markdown).get_template("sensitivity.md.j2").render(**context),
            f"{NAME}.csv": numbers,
            f"{NAME}.svg": drawing,
            f"{NAME}.html": page.render(**context, drawing=Markup(drawing), csv=Markup(escape(numbers))),
        },
    )
    content = {
        "schema": 1,
        "run": found.run,
        "metric": found.metric,
        "warning": warning(found),
        "detectors": [_as_json(one) for one in found.detectors],
        "chosen_on": validation or None,
        "chosen": [asdict(one) for one in chosen],
    }
    write_json(out / f"{NAME}.json", content)
    return [*written, out / f"{NAME}.json"]


def _as_json(one: Sensitivity) -> dict[str, Any]:
    content = asdict(one)
    for name, extremes in one.sets.items():
        content["sets"][name]["range"] = extremes.range
    if one.mean:
        content["mean"]["range"] = one.mean.range
    return content


def number(value: float | None, form: str = "%.3f") -> str:
    """A dash where there is none."""
    return "–" if value is None else form % value


def moved_text(one: Moved) -> str:
    """Difference from the default with its interval: `-0.031 [-0.088, +0.026]`, `*` where it is significant."""
    if one.same:
        return "same logits"
    if one.difference is None:
        return "–"
    bounds = "" if one.low is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
    return f"{one.difference:+.3f}{bounds}{' *' if one.significant else ''}"


def figure(found: SensitivityReport) -> str:
    """Per detector and test set every way as a dot on the metric's axis, the default filled, as SVG."""
    from matplotlib.figure import Figure

    lines = [len(found.datasets) + (not found.single) for _ in found.detectors]
    drawing = Figure(figsize=(7.5, 0.9 + 0.42 * sum(lines) + 0.6 * len(lines)), layout="constrained")
    panels = drawing.subplots(len(lines), 1, sharex=True, squeeze=False, height_ratios=lines)
    for axes, one in zip(panels[:, 0], found.detectors, strict=True):
        _panel(axes, one, found)
    panels[-1, 0].set_xlabel(f"{found.metric}, clean pictures")
    return inline_svg(drawing, f"{found.run} {NAME}")


def _panel(axes: Axes, one: Sensitivity, found: SensitivityReport) -> None:
    names = [*found.datasets, *([] if found.single else [MEAN])]
    for place, name in enumerate(names):
        extremes = one.mean if name == MEAN else one.sets.get(name)
        if extremes is None:
            continue
        values = [(row.mean if name == MEAN else row.sets[name]).value for row in one.rows]
        dots = [value for value in values if value is not None]
        ends = extremes.worst_value, extremes.best_value
        axes.plot(ends, (place, place), color="#808890", linewidth=2, alpha=0.6)
        axes.plot(dots, [place] * len(dots), "o", markersize=5, color="#808890", markerfacecolor="none")
        axes.plot([extremes.default], [place], "o", markersize=7, color="#0b62c4")
        for feed, value, side in (
            (extremes.worst, extremes.worst_value, -1),
            (extremes.best, extremes.best_value, 1),
        ):
            if feed != DEFAULT:
                left = (side < 0) == (ends[0] <= ends[1])
                axes.annotate(
                    plain(feed),
                    (value, place),
                    xytext=(-6 if left else 6, 0),
                    textcoords="offset points",
                    ha="right" if left else "left",
                    va="center",
                    fontsize=8,
                    parse_math=False,
                )
    axes.set_yticks(range(len(names)), [plain(name) for name in names], parse_math=False, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.25)
    axes.set_title(plain(one.detector), fontsize=10, loc="left", parse_math=False)
