"""The metrics of a run: those of this installation, and of the plugins that its run.json records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.loading import load_catalogs
from benchmarks.runfolder.record import PluginEntry, RunRecord
from benchmarks.text import say
from registry import Catalogs
from registry.card import MetricCard
from registry.catalog import Catalog
from registry.plugins import RESTRICT_VARIABLE, allowed_names


@dataclass(frozen=True)
class RecordedMetrics:
    """catalog: what can be computed; missing: metrics that the run had and the catalogue lacks, and why."""

    catalog: Catalog[MetricCard]
    missing: dict[str, str]


def recorded_metrics(record: RunRecord, files: Sequence[Path] = ()) -> RecordedMetrics:
    """Load the plugins of a run for their metrics; each one that is missing is named on standard error, once.

    files: plugin files that the user names now; one takes the place of a recorded file of its name, and
        they load always. Recorded files load like installed plugins: unless `D3QE_BENCH_PLUGINS` leaves
        them out.
    """
    allowed = allowed_names()
    named = {path.stem for path in files}
    recorded = [
        path
        for plugin in record.plugins
        if (path := plugin.path) and plugin.metrics and path.stem not in named and path.is_file()
        if allowed is None or plugin.name in allowed
    ]
    catalogs = load_catalogs([*files, *dict.fromkeys(recorded)])
    missing = {
        name: _reason(plugin, catalogs)
        for plugin in record.plugins
        for name in plugin.metrics
        if name not in catalogs.metrics
    }
    for name, reason in missing.items():
        _report(name, reason)
    return RecordedMetrics(catalogs.metrics, missing)


def _reason(plugin: PluginEntry, catalogs: Catalogs) -> str:
    """Why a metric of a recorded plugin is not there now, and what to do."""
    now = next((found for found in catalogs.plugins if found.name == plugin.name), None)
    if now and now.status == "ok":
        return f"plugin {plugin.name} ({now.origin}) does not register it any more"
    if now and now.status == "failed":
        return f"plugin {plugin.name} ({now.origin}) fails: {now.error}"
    allowed = allowed_names()
    if allowed is not None and plugin.name not in allowed:
        hint = ", or name its file with --plugin FILE" if plugin.path else ""
        return f"its plugin {plugin.name} is not in {RESTRICT_VARIABLE}: add it there{hint}"
    if plugin.path:
        return f"its plugin file {plugin.path} is gone: say where it is with --plugin FILE"
    return f"its plugin {plugin.name} is not installed: install {plugin.origin}"


@cache
def _report(name: str, reason: str) -> None:
    say(f"metric {name} is not computed: {reason}", err=True)
