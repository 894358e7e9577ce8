"""What plugins registered, with a line on standard error about each that could not be loaded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.text import say
from registry import Catalogs, PluginRecord, load_plugins


def load_catalogs(files: Iterable[Path] = (), *, quiet: bool = False) -> Catalogs:
    """Load all plugins, plugin files too, and name the broken ones, each once per process, unless `quiet`."""
    catalogs = load_plugins(files)
    for record in catalogs.plugins:
        if record.status == "failed" and not quiet:
            _report(record)
    return catalogs


@cache
def _report(record: PluginRecord) -> None:
    say(f"plugin {record.name} ({record.origin}) is left out: {record.error}", err=True)
