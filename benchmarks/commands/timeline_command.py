"""`d3qe-bench timeline`: detectors over the release dates of generators, from one run's metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import Option, Settings, parse_settings


class TimelineSettings(Settings):
    """What `d3qe-bench timeline` shows."""

    run: Annotated[Path, Option(metavar="RUN", positional=True)] = Field(description="run folder")
    until: Annotated[list[str], Option(metavar="[DETECTOR=]YYYY-MM")] = Field(
        min_length=1,
        description="month until which generators count as known, of all detectors or of one: when it was trained",
    )
    metric: str = Field("auroc", description="metric to show")
    released: Annotated[dict[str, str], Option(metavar="GENERATOR=YYYY-MM")] = Field(
        {}, description="release date of a generator, over the built-in table"
    )
    out: Path | None = Field(
        None, description="folder for the page and the tables; the run folder if not given"
    )


@takes(TimelineSettings)
def timeline(given: dict[str, Any]) -> None:
    """Show how detectors hold on generators that came after they were trained.

    From the metrics of one run: no network is run."""
    from benchmarks.reports.load import read_runs
    from benchmarks.reports.timeline import make_timeline, write_timeline
    from benchmarks.tables import print_table
    from benchmarks.text import say

    settings = parse_settings(TimelineSettings, given, options=given)
    (run,) = read_runs([settings.run])
    until = _months(settings.until, run.fed_by_default().detectors)
    found = make_timeline(run, until, settings.metric, settings.released)
    print_table(
        [
            [
                one.release.month if one.release else "unknown",
                one.dataset,
                *(_number(row.values.get(one.dataset)) for row in found.rows),
            ]
            for one in found.sets
        ],
        head=["released", "test set", *(row.detector for row in found.rows)],
    )
    say("")
    for row in found.rows:
        bounds = "" if row.low is None else f" [{row.low:+.3f}, {row.high:+.3f}]"
        change = "" if row.change is None else f", change {row.change:+.3f}{bounds}"
        say(
            f"{row.detector}, {found.metric}: {_number(row.known)} on {row.n_known} set{'' if row.n_known == 1 else 's'} known until {row.until}, "
            f"{_number(row.later)} on {row.n_later} later{change}"
        )
    for file in write_timeline(found, settings.out or settings.run):
        say(f"written: {file}")


def _months(until: list[str], detectors: list[str]) -> dict[str, str]:
    """Detector → month; a month without a name is for every detector without one of its own."""
    own: dict[str, str] = {}
    general = ""
    for text in until:
        name, equals, month = text.rpartition("=")
        if equals:
            own[name] = month
        else:
            general = text
    return {**(dict.fromkeys(detectors, general) if general else {}), **own}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
