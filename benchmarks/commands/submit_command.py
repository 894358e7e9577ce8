"""`d3qe-bench submit`: a reviewable row for the leaderboard, and the check of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional
from urllib.parse import quote

import typer

from benchmarks.commands.options import split_list
from benchmarks.text import say

_SHOWN = 20
_IN_FILE_NAMES = " !#$'()+,;=@[]{}^~&"
"""Besides letters and digits, what of a detector's name may stand in the name of its file: nothing that leads elsewhere."""


def submit(
    run: Annotated[Path, typer.Argument(help="Run folder")],
    detectors: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--detectors", help="Detectors of the run, comma-separated (default all)"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the rows, one JSON file per detector")] = Path(
        "benchmarks/leaderboard/rows"
    ),
    check: Annotated[
        Path | None, typer.Option(help="Write nothing; check that the run gives every field of this row")
    ] = None,
    plugin: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="Plugin file to load, also in place of a recorded one of its name"),
    ] = None,
) -> None:
    """Write leaderboard rows of a run, or check a row.

    A check makes the row anew from the run's score files and run.json, and refuses any field that differs.
    """
    from benchmarks.files import write_json_by_line
    from benchmarks.reports import load_metrics
    from benchmarks.runfolder.record import read_record
    from benchmarks.runfolder.submission import make_submission, read_submission
    from benchmarks.runfolder.submission_check import problems

    if check is not None:
        found = problems(read_submission(check), run, plugin or [])
        for line in found[:_SHOWN]:
            say(f"{check.name}: {line}", err=True)
        if len(found) > _SHOWN:
            say(f"{check.name}: {len(found) - _SHOWN} more differences", err=True)
        if found:
            raise typer.Exit(1)
        say(f"{check.name}: every field is what {run} gives")
        return
    metrics = load_metrics(run, plugins=plugin or [])
    names = split_list(detectors) or read_record(run).detectors
    rows = [make_submission(run, name, metrics) for name in names]
    for row in rows:
        file = out / f"{quote(row['detector'], safe=_IN_FILE_NAMES)}.json"
        write_json_by_line(file, row)
        say(f"written: {file}")
