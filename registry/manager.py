"""Loads plugins one by one, so that a broken one is a line in a table and never the end of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from registry.candidates import Candidate, find_candidates
from registry.catalog import Catalogs, PluginRecord
from registry.errors import UserError
from registry.staging import one_line, stage

RESTRICT_VARIABLE = "D3QE_BENCH_PLUGINS"
TIMEOUT_VARIABLE = "D3QE_BENCH_PLUGIN_TIMEOUT"
TRIAL_VARIABLE = "D3QE_BENCH_PLUGIN_TRIAL"
"""Set in a process that tries a plugin: should the plugin load plugins itself, no further processes follow."""
DEFAULT_TIMEOUT_SECONDS = 20.0


def load_plugins(files: Iterable[Path] = (), environ: Mapping[str, str] = os.environ) -> Catalogs:
    """Discover and load every plugin: entry points of the group `d3qe_bench`, then plugin files.

    A plugin that is not this project's own is loaded in a process of its own first. One that fails,
    hangs, crashes or exits there is a failed row of the table and is not loaded here.

    The environment variable `D3QE_BENCH_PLUGINS` restricts plugins of other distributions to the
    names it lists, separated by commas; empty disables them all. Files given explicitly always load.
    `D3QE_BENCH_PLUGIN_TIMEOUT` is the time in seconds that a plugin may take to load.
    """
    catalogs = Catalogs()
    timeout = _timeout(environ)
    allowed = _allowed_names(environ)
    candidates = find_candidates(files)
    disabled = {one for one in candidates if allowed is not None and _restricted(one, allowed)}
    broken = _broken([one for one in candidates if one not in disabled], timeout)
    for candidate in candidates:
        name, origin = candidate.name, candidate.origin
        if candidate in disabled:
            record = PluginRecord(name, origin, "disabled", f"not in {RESTRICT_VARIABLE}")
        elif candidate in broken:
            record = PluginRecord(name, origin, "failed", broken[candidate])
        else:
            record = _load(candidate, catalogs)
        catalogs.plugins.append(record)
    return catalogs


def _allowed_names(environ: Mapping[str, str]) -> set[str] | None:
    if RESTRICT_VARIABLE not in environ:
        return None
    return {name.strip() for name in environ[RESTRICT_VARIABLE].split(",") if name.strip()}


def _restricted(candidate: Candidate, allowed: set[str]) -> bool:
    return not (candidate.own or isinstance(candidate.source, Path) or candidate.name in allowed)


def _timeout(environ: Mapping[str, str]) -> float:
    text = environ.get(TIMEOUT_VARIABLE, "")
    try:
        return float(text) if text else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        raise UserError(f"{TIMEOUT_VARIABLE} must be a number of seconds, got {text!r}") from None


def _broken(candidates: Sequence[Candidate], timeout: float) -> dict[Candidate, str]:
    """Candidates that cannot be loaded and why, found out in other processes."""
    strangers = [one for one in candidates if not (one.own or one.imported)]
    if not strangers or TRIAL_VARIABLE in os.environ:
        return {}
    from registry.trial import try_all  # most installations have no strangers and save its start-up time

    return {one: reason for one, reason in zip(strangers, try_all(strangers, timeout), strict=True) if reason}


def _load(candidate: Candidate, catalogs: Catalogs) -> PluginRecord:
    try:
        staged = stage(candidate, catalogs)
    except (Exception, SystemExit) as error:
        return PluginRecord(candidate.name, candidate.origin, "failed", one_line(error))
    for catalog, entry in staged:
        catalog.add(entry)
    names = tuple(f"{catalog.kind} {entry.name}" for catalog, entry in staged)
    return PluginRecord(candidate.name, candidate.origin, "ok", registered=names)
