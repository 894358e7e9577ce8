"""Writes the leaderboard of one or several run folders in the formats that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.reports.cost import pareto_svg
from benchmarks.reports.latex import latex
from benchmarks.reports.load import read_runs, shown_metrics
from benchmarks.reports.markdown import markdown
from benchmarks.reports.page.html import html
from benchmarks.reports.report import Report, make_report
from benchmarks.reports.statistics.verdicts import Verdicts
from benchmarks.reports.terminal import print_runs
from benchmarks.reports.tidy import (
    tidy,
    tidy_beside_reported,
    tidy_comparisons,
    tidy_cost,
    tidy_curves,
    tidy_differences,
    tidy_losses,
    tidy_operating,
    tidy_reported,
    tidy_standings,
    tidy_suites,
)
from registry.errors import UserError, unknown_name
from registry.files import atomic

NAME = "leaderboard"

Documents = dict[str, str]

FORMATS: dict[str, Callable[[Report, Path | None], Documents]] = {
    "md": lambda report, _: {f"{NAME}.md": markdown(report)},
    "csv": lambda report, _: {
        f"{NAME}.csv": tidy(report),
        f"{NAME}.comparisons.csv": tidy_comparisons(report),
        f"{NAME}.standings.csv": tidy_standings(report),
        f"{NAME}.suites.csv": tidy_suites(report),
        f"{NAME}.curves.csv": tidy_curves(report),
        f"{NAME}.cost.csv": tidy_cost(report),
        f"{NAME}.losses.csv": tidy_losses(report),
        **({f"{NAME}.differences.csv": tidy_differences(report)} if len(report.runs) > 1 else {}),
        **({f"{NAME}.operating.csv": tidy_operating(report)} if report.operating else {}),
        f"{NAME}.reported.csv": tidy_reported(report),
        f"{NAME}.measured_and_reported.csv": tidy_beside_reported(report),
    },
    "tex": lambda report, _: {f"{NAME}.tex": latex(report)},
    "svg": lambda report, _: {
        f"{NAME}.pareto{number or ''}.svg": drawing
        for number, table in enumerate(report.costs)
        if (drawing := pareto_svg(table))
    },
    "html": lambda report, pictures: {f"{NAME}.html": html(report, pictures)},
}


def render(
    runs: Path | Sequence[Path],
    formats: Iterable[str] | None = None,
    metrics: Sequence[str] | None = None,
    out: Path | None = None,
    bootstrap: int | None = None,
    recompute: bool = False,
    pictures: Path | None = None,
    calibrate_on: str | None = None,
    fpr: float | None = None,
    plugins: Sequence[Path] = (),
    ways: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Write `leaderboard.<format>` of one or several runs; returns the files.

    formats: by default all of `FORMATS`. metrics: one table each, per perturbation, by default `shown_metrics`.
    out: the folder to write to; by default the run's own, so several runs need one.
    bootstrap, recompute, calibrate_on, fpr, plugins: as `load_metrics` takes them.
    pictures: data root of the run, for thumbnails of the most wrong pictures on the page.
    ways: show detectors that were fed in another way than their own as rows, too.
    console: prints the leaderboard there, too.

    Raises:
        UserError: unknown format or metric, a folder that is no run, no `out` for several runs.
    """
    folders = [runs] if isinstance(runs, str | Path) else list(runs)
    formats = list(formats or FORMATS)
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("report format", name, FORMATS)
    if out is None:
        if len(folders) != 1 or not Path(folders[0]).is_dir():
            raise UserError(
                "this report belongs to no single run folder: say where to write it with --out FOLDER"
            )
        out = Path(folders[0])
    read = read_runs(folders, bootstrap, recompute, calibrate_on, fpr, plugins)
    if not ways:
        read = [run.fed_by_default() for run in read]
    report = make_report(read, list(metrics or shown_metrics(read)))
    written = []
    for name in formats:
        for file, text in FORMATS[name](report, pictures).items():
            with atomic(Path(out) / file) as draft:
                draft.write_text(text, encoding="utf-8")
            written.append(Path(out) / file)
    if console:
        print_runs(report.runs, console, report.metrics, Verdicts(report.comparisons))
    return written
