"""Finds and loads plugins one by one, so that a broken one is a line in a table and never the end of a run.

A plugin is loaded as every tool built on pluggy loads its own: its module is imported into this process,
with all the rights of the user. What it raises, `SystemExit` too, is kept as its row's error; code that
ends the interpreter, crashes or hangs cannot be contained, so install only plugins that you trust.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

from registry import hookspecs
from registry.card import make_card
from registry.catalog import Catalog, Catalogs, Entry, Factory, PluginRecord
from registry.errors import UserError

OWN_DISTRIBUTION = "d3qe-bench"
RESTRICT_VARIABLE = "D3QE_BENCH_PLUGINS"

Staged = list[tuple[Catalog[Any], Entry[Any]]]
_NAME = re.compile(r"[^\s,=]+")
"""Names stand in comma-separated lists and before `=` on the command line."""


def load_plugins(files: Iterable[Path] = (), environ: Mapping[str, str] = os.environ) -> Catalogs:
    """Discover and load every plugin: entry points of the group `d3qe_bench`, then plugin files.

    All that a plugin registers is taken, or nothing where any of it fails.

    The environment variable `D3QE_BENCH_PLUGINS` restricts plugins of other distributions to the
    names it lists, separated by commas; empty disables them all. Files given explicitly always load.
    """
    catalogs = Catalogs()
    allowed = allowed_names(environ)
    for candidate in _find(files):
        if allowed is not None and candidate.stranger and candidate.name not in allowed:
            record = PluginRecord(candidate.name, candidate.origin, "disabled", f"not in {RESTRICT_VARIABLE}")
        else:
            record = _load(candidate, catalogs)
        catalogs.plugins.append(record)
    return catalogs


def allowed_names(environ: Mapping[str, str] = os.environ) -> set[str] | None:
    """The plugins that `D3QE_BENCH_PLUGINS` lists; None where it is not set."""
    if RESTRICT_VARIABLE not in environ:
        return None
    return {name.strip() for name in environ[RESTRICT_VARIABLE].split(",") if name.strip()}


@dataclass(frozen=True)
class _Candidate:
    """A plugin that may be loaded. source: an entry point, or a file. own: this project's."""

    name: str
    origin: str
    source: metadata.EntryPoint | Path
    own: bool = False

    @property
    def stranger(self) -> bool:
        """Whether it is there because it was installed, not because this project or the user named it."""
        return not self.own and not isinstance(self.source, Path)

    @property
    def file(self) -> str:
        """Absolute path of a plugin file, empty for an entry point."""
        return str(self.source.absolute()) if isinstance(self.source, Path) else ""

    def load(self) -> object:
        """The plugin itself; its code is executed, so anything may be raised."""
        return _import_file(self.source) if isinstance(self.source, Path) else self.source.load()


def _find(files: Iterable[Path]) -> list[_Candidate]:
    """Entry points of all distributions, ours first so that an outsider cannot take a built-in name; then files."""
    found = []
    for point in metadata.entry_points(group=hookspecs.PROJECT):
        dist = point.dist
        own = dist is not None and dist.metadata["Name"] == OWN_DISTRIBUTION
        made_by = f"{dist.metadata['Name']} {dist.version}" if dist else "unknown distribution"
        found.append(_Candidate(point.name, f"{made_by} ({point.value})", point, own))
    found.sort(key=lambda one: (not one.own, one.name, one.origin))
    return found + [_Candidate(path.stem, f"file {path}", path) for path in map(Path, files)]


def _import_file(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError(f"no such plugin file: {path}")
    name = f"d3qe_bench_plugin_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _load(candidate: _Candidate, catalogs: Catalogs) -> PluginRecord:
    try:
        staged = _stage(candidate, catalogs)
    except (Exception, SystemExit) as error:
        return PluginRecord(candidate.name, candidate.origin, "failed", one_line(error), file=candidate.file)
    for catalog, entry in staged:
        catalog.add(entry)
    names = tuple(f"{catalog.kind} {entry.name}" for catalog, entry in staged)
    return PluginRecord(candidate.name, candidate.origin, "ok", registered=names, file=candidate.file)


def _stage(candidate: _Candidate, catalogs: Catalogs) -> Staged:
    """What the plugin registers, with the catalogue that each entry is for.

    Raises:
        UserError: it has no hook, or registers a name that is malformed or taken in `catalogs`.
        Exception, SystemExit: whatever its code raises.
    """
    plugin = candidate.load()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=candidate.name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise UserError("no function of it is marked @hookimpl")
    staged: Staged = []
    for hook_name, catalog in catalogs.by_hook().items():
        getattr(manager.hook, hook_name)(register=partial(_register, candidate.origin, catalog, staged))
    return staged


def _register(
    origin: str, catalog: Catalog[Any], staged: Staged, name: str, target: str | Factory, /, **facts: object
) -> None:
    """Stage one name of a plugin: the `register` that its hook is called with."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"{catalog.kind} name {name!r}: no spaces, commas or equals signs, at least one character"
        )
    if not (isinstance(target, str) or callable(target)):
        raise UserError(f"{catalog.kind} {name!r}: {target!r} is neither 'module:object' nor callable")
    taken = [*catalog, *(entry for kind, entry in staged if kind is catalog)]
    for other in taken:
        if other.name == name:
            raise UserError(f"{catalog.kind} {name!r} is registered twice: by {other.origin} and by {origin}")
    staged.append((catalog, Entry(name, target, make_card(catalog.card_class, facts), origin)))


def one_line(error: BaseException) -> str:
    """Kind and text of an error, for a cell of a table."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
