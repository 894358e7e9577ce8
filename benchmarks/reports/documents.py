"""Writes the leaderboard of one or several run folders in the formats that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.files import atomic
from benchmarks.reports.latex import latex
from benchmarks.reports.load import METRICS, Run, check_metrics, read_runs
from benchmarks.reports.markdown import markdown
from benchmarks.reports.tidy import tidy, tidy_reported
from registry.errors import UserError, unknown_name

NAME = "leaderboard"

Documents = dict[str, str]

FORMATS: dict[str, Callable[[Sequence[Run], Sequence[str]], Documents]] = {
    "md": lambda runs, metrics: {f"{NAME}.md": markdown(runs, metrics)},
    "csv": lambda runs, metrics: {
        f"{NAME}.csv": tidy(runs, metrics),
        f"{NAME}.reported.csv": tidy_reported(runs),
    },
    "tex": lambda runs, metrics: {f"{NAME}.tex": latex(runs, metrics)},
}


def render(
    runs: Path | Sequence[Path],
    formats: Iterable[str] | None = None,
    metrics: Sequence[str] | None = None,
    out: Path | None = None,
    bootstrap: int | None = None,
    recompute: bool = False,
) -> list[Path]:
    """Write `leaderboard.<format>` of one or several runs; returns the files.

    formats: by default all of `FORMATS`. metrics: one table each, per perturbation, by default `METRICS`.
    out: the folder to write to; by default the run's own, so several runs need one.
    bootstrap, recompute: as `load_metrics` takes them.

    Raises:
        UserError: unknown format or metric, a folder that is no run, no `out` for several runs.
    """
    folders = [runs] if isinstance(runs, str | Path) else list(runs)
    formats, metrics = list(formats or FORMATS), list(metrics or METRICS)
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("report format", name, FORMATS)
    if out is None:
        if len(folders) != 1:
            raise UserError("a report over several runs belongs to none of them: say where with --out FOLDER")
        out = Path(folders[0])
    found = read_runs(folders, bootstrap, recompute)
    check_metrics(found, metrics)
    written = []
    for name in formats:
        for file, text in FORMATS[name](found, metrics).items():
            with atomic(Path(out) / file) as draft:
                draft.write_text(text, encoding="utf-8")
            written.append(Path(out) / file)
    return written
