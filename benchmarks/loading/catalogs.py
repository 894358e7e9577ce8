"""What plugins registered, with a line on standard error about each that could not be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from registry import Catalogs, PluginRecord, load_plugins


def load_catalogs(files: Iterable[Path] = ()) -> Catalogs:
    """Load all plugins, plugin files too, and name the broken ones, each once per process."""
    catalogs = load_plugins(files)
    report_broken(catalogs)
    return catalogs


def report_broken(catalogs: Catalogs) -> None:
    """Name the plugins that could not be loaded, each once per process."""
    for record in catalogs.plugins:
        if record.status == "failed":
            _report(record)


@cache
def _report(record: PluginRecord) -> None:
    print(f"plugin {record.name} ({record.origin}) is left out: {record.error}", file=sys.stderr)
