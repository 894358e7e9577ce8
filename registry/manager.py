"""Loads plugins one by one, so that a broken one is a line in a table and never the end of a run."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

from registry import hookspecs
from registry.card import (
    Card,
    DatasetCard,
    DetectorCard,
    EncoderCard,
    FigureCard,
    MetricCard,
    PerturbationCard,
    make_card,
)
from registry.catalog import Catalog, Entry, Factory
from registry.errors import UserError

GROUP = hookspecs.PROJECT
OWN_DISTRIBUTION = "d3qe-bench"
RESTRICT_VARIABLE = "D3QE_BENCH_PLUGINS"
TIMEOUT_VARIABLE = "D3QE_BENCH_PLUGIN_TIMEOUT"
DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class PluginRecord:
    """One row of the plugin table. status: `ok`, `failed` or `disabled`; error says why not ok."""

    name: str
    origin: str
    status: str
    error: str = ""
    registered: tuple[str, ...] = ()


@dataclass
class Catalogs:
    """Everything that plugins registered, by kind, and the table of the plugins themselves."""

    detectors: Catalog[DetectorCard] = field(default_factory=lambda: Catalog("detector", DetectorCard))
    encoders: Catalog[EncoderCard] = field(default_factory=lambda: Catalog("encoder", EncoderCard))
    datasets: Catalog[DatasetCard] = field(default_factory=lambda: Catalog("data set", DatasetCard))
    perturbations: Catalog[PerturbationCard] = field(
        default_factory=lambda: Catalog("perturbation", PerturbationCard)
    )
    metrics: Catalog[MetricCard] = field(default_factory=lambda: Catalog("metric", MetricCard))
    figures: Catalog[FigureCard] = field(default_factory=lambda: Catalog("figure", FigureCard))
    plugins: list[PluginRecord] = field(default_factory=list)

    def by_hook(self) -> dict[str, Catalog[Any]]:
        """Hook name to the catalogue that it fills."""
        return {
            "register_detectors": self.detectors,
            "register_encoders": self.encoders,
            "register_datasets": self.datasets,
            "register_perturbations": self.perturbations,
            "register_metrics": self.metrics,
            "register_figures": self.figures,
        }


_Staged = list[tuple[Catalog[Any], Entry[Any]]]
_NAME = re.compile(r"[^\s,=]+")
"""Names stand in comma-separated lists and before `=` on the command line."""


@dataclass(frozen=True)
class _Candidate:
    name: str
    origin: str
    outside: bool
    load: Callable[[], object]


def load_plugins(files: Iterable[Path] = (), environ: Mapping[str, str] = os.environ) -> Catalogs:
    """Discover and load every plugin: entry points of the group `d3qe_bench`, then plugin files.

    The environment variable `D3QE_BENCH_PLUGINS` restricts plugins of other distributions to the
    names it lists, separated by commas; empty disables them all. `D3QE_BENCH_PLUGIN_TIMEOUT` is
    the time in seconds that an outside plugin may take to load. Files given explicitly always load.
    """
    catalogs = Catalogs()
    allowed = _allowed_names(environ)
    timeout = _timeout(environ)
    for candidate in [*_entry_points(), *map(_file_candidate, files)]:
        if candidate.outside and allowed is not None and candidate.name not in allowed:
            reason = f"not in {RESTRICT_VARIABLE}"
            record = PluginRecord(candidate.name, candidate.origin, "disabled", reason)
        else:
            record = _load_one(candidate, catalogs, timeout)
        catalogs.plugins.append(record)
    return catalogs


def _allowed_names(environ: Mapping[str, str]) -> set[str] | None:
    if RESTRICT_VARIABLE not in environ:
        return None
    return {name.strip() for name in environ[RESTRICT_VARIABLE].split(",") if name.strip()}


def _timeout(environ: Mapping[str, str]) -> float:
    text = environ.get(TIMEOUT_VARIABLE, "")
    try:
        return float(text) if text else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        raise UserError(f"{TIMEOUT_VARIABLE} must be a number of seconds, got {text!r}") from None


def _entry_points() -> list[_Candidate]:
    """Entry points of all distributions, ours first so that an outsider cannot take a built-in name."""
    found = []
    for point in metadata.entry_points(group=GROUP):
        dist = point.dist
        outside = dist is None or dist.metadata["Name"] != OWN_DISTRIBUTION
        made_by = f"{dist.metadata['Name']} {dist.version}" if dist else "unknown distribution"
        found.append(_Candidate(point.name, f"{made_by} ({point.value})", outside, point.load))
    return sorted(found, key=lambda candidate: (candidate.outside, candidate.name, candidate.origin))


def _file_candidate(path: Path) -> _Candidate:
    return _Candidate(path.stem, f"file {path}", False, partial(_import_file, path))


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


def _load_one(candidate: _Candidate, catalogs: Catalogs, timeout: float) -> PluginRecord:
    work = partial(_staged, candidate, catalogs)
    try:
        staged = _within(timeout, candidate.name, work) if candidate.outside else work()
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return PluginRecord(candidate.name, candidate.origin, "failed", text)
    for catalog, entry in staged:
        catalog.add(entry)
    names = tuple(f"{catalog.kind} {entry.name}" for catalog, entry in staged)
    return PluginRecord(candidate.name, candidate.origin, "ok", registered=names)


def _within(timeout: float, name: str, work: Callable[[], _Staged]) -> _Staged:
    """Load an outside plugin in a thread of its own, so that one that hangs is left behind."""
    outcome: list[_Staged] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # whatever it raises must not reach the thread's own handler
            failure.append(error)

    thread = threading.Thread(target=run, name=f"plugin {name}", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError(f"still loading after {timeout:g} s ({TIMEOUT_VARIABLE} sets the limit)")
    if failure:
        error = failure[0]
        raise error if isinstance(error, Exception | SystemExit) else RuntimeError(repr(error))
    return outcome[0]


def _staged(candidate: _Candidate, catalogs: Catalogs) -> _Staged:
    """Load the plugin and call its hooks alone; nothing reaches the catalogues before all succeeded."""
    plugin = candidate.load()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=candidate.name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise UserError("no function of it is marked @hookimpl")
    staged: _Staged = []
    for hook_name, catalog in catalogs.by_hook().items():
        getattr(manager.hook, hook_name)(register=partial(_register, candidate.origin, catalog, staged))
    return staged


def _register(
    origin: str, catalog: Catalog[Any], staged: _Staged, name: str, target: str | Factory, /, **facts: object
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
    card: Card = make_card(catalog.card_class, facts)
    staged.append((catalog, Entry(name, target, card, origin)))
