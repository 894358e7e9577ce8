"""A study's matrices as JSON, CSV, Markdown, a page and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.files import write_json, write_texts
from benchmarks.reports.page.outline import outlined
from benchmarks.study.matrix import MEANS, Matrix
from benchmarks.text import csv_text, in_markdown, plain
from registry.files import atomic

SPREAD = "± is the standard deviation over trainings by several random seeds, in brackets the range."
_CAPTION = "rows: trained on; columns: tested on"


def render(matrices: Sequence[Matrix], out: Path) -> list[Path]:
    """Write study.json, study.csv, study.md, study.html, and a heat map per detector as PNG and SVG."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "study.csv": _csv(matrices),
        "study.md": _markdown(matrices),
        "study.html": _html(matrices),
    }
    written = write_texts(out, texts)
    write_json(out / "study.json", {"schema": 1, "matrices": [asdict(matrix) for matrix in matrices]})
    figures = [path for matrix in matrices for path in _draw(matrix, out)]
    return [out / "study.json", *written, *figures]


def _csv(matrices: Sequence[Matrix]) -> str:
    """One line per value, means over seeds where there are several trainings, with their spread."""
    spread = ("standard_deviation", "lowest", "highest")
    return csv_text(
        [
            "detector",
            "trained_on",
            "paradigm",
            "tested_on",
            "test_paradigm",
            "relation",
            "metric",
            "value",
            "seeds",
            *spread,
        ],
        (
            {
                "detector": matrix.detector,
                "trained_on": row.training_set,
                "paradigm": row.paradigm,
                "tested_on": name,
                "test_paradigm": matrix.test_sets[name],
                "relation": row.relations[name],
                "metric": matrix.metric,
                "value": value,
                "seeds": " ".join(map(str, row.seeds)),
                **{key: (row.spreads.get(name) or {}).get(key) for key in spread},
            }
            for matrix in matrices
            for row in matrix.rows
            for name, value in row.values.items()
        ),
    )


def _markdown(matrices: Sequence[Matrix]) -> str:
    parts = []
    for matrix in matrices:
        head = ["trained on", *(f"{name} ({p})" for name, p in matrix.test_sets.items()), *MEANS]
        lines = [
            f"## {in_markdown(matrix.detector)}: {in_markdown(matrix.metric)} in %",
            "",
            "| " + " | ".join(map(in_markdown, head)) + " |",
            "|---" * len(head) + "|",
        ]
        for row in matrix.rows:
            values = [
                with_spread(v, row.spreads.get(name)) for name, v in {**row.values, **row.means}.items()
            ]
            lines.append("| " + " | ".join([in_markdown(row.label), *values]) + " |")
        parts.append("\n".join(lines))
    spread = f" {SPREAD}" if _any_spread(matrices) else ""
    return f"Training sets × test sets ({_CAPTION}).{spread}\n\n" + "\n\n".join(parts) + "\n"


def _any_spread(matrices: Sequence[Matrix]) -> bool:
    return any(spread for matrix in matrices for row in matrix.rows for spread in row.spreads.values())


def _html(matrices: Sequence[Matrix]) -> str:
    environment = outlined("benchmarks.study", "templates")
    environment.filters["percent"] = percent
    environment.globals["with_spread"] = with_spread
    template = environment.get_template("study.html.j2")
    return template.render(
        matrices=matrices, means=MEANS, caption=_CAPTION, spread=SPREAD if _any_spread(matrices) else ""
    )


def percent(value: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def with_spread(value: float | None, spread: Mapping[str, float] | None) -> str:
    """The same, with standard deviation and range over seeds where there are several."""
    if value is None or not spread:
        return percent(value)
    low, high = percent(spread["lowest"]), percent(spread["highest"])
    return f"{percent(value)} ± {percent(spread['standard_deviation'])} ({low} to {high})"


def _draw(matrix: Matrix, out: Path) -> list[Path]:
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    names = list(matrix.test_sets)
    values = np.array(
        [[np.nan if row.values[name] is None else row.values[name] for name in names] for row in matrix.rows],
        dtype=float,
    )
    # inches: of a field, and of a letter of the names, which stand aslant below
    beside, below = (
        0.07 * max(map(len, texts), default=0) for texts in ([row.label for row in matrix.rows], names)
    )
    size = (2 + beside + 0.8 * len(names), 1.8 + below + 0.5 * len(matrix.rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(100 * values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(
        range(len(names)),
        [f"{plain(n)}\n({matrix.test_sets[n]})" for n in names],
        rotation=45,
        ha="right",
        parse_math=False,
    )
    axes.set_yticks(
        range(len(matrix.rows)),
        [plain(row.label) for row in matrix.rows],
        parse_math=False,
    )
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    axes.set_title(plain(f"{matrix.detector}: {matrix.metric} in %"), fontsize=11, parse_math=False)
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        shown = percent(None if np.isnan(value) else value)
        axes.text(column, row, shown, ha="center", va="center", color="white" if value <= 0.6 else "black")
    figure.colorbar(drawn, ax=axes, label=f"{matrix.metric} in %")
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in matrix.detector)
    paths = [out / f"study_{stem}.{kind}" for kind in ("png", "svg")]
    with mpl.rc_context({"svg.hashsalt": stem}):
        for path in paths:
            with atomic(path) as draft:
                figure.savefig(draft, format=path.suffix[1:], dpi=160, bbox_inches="tight")
    return paths
