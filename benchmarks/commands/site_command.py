"""`d3qe-bench site`: a static site of submitted rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import Option, Settings, parse_settings


class SiteSettings(Settings):
    """What `d3qe-bench site` writes."""

    rows: Annotated[list[Path], Option(metavar="ROWS", positional=True)] = Field(
        description="submitted rows, folders of them, or run folders"
    )
    out: Path = Field(description="folder for the site")
    metrics: Annotated[list[str], Option("--metric")] = Field([], description="metrics to tabulate")


@takes(SiteSettings)
def site(given: dict[str, Any]) -> None:
    """Write a static site: one page per detector, test set and paradigm.

    With cards, provenance and reported figures. The pages need no network and no server."""
    from benchmarks.reports.site import write_site
    from benchmarks.text import say
    from registry.errors import UserError

    settings = parse_settings(SiteSettings, given, options=given)
    for path in settings.rows:
        if not path.exists():
            raise UserError(f"there is no row or run folder at {path}")
    files = write_site(settings.rows, settings.out, settings.metrics)
    say(f"written: {len(files)} pages, first {files[0]}")
