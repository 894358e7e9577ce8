"""Loads plugins one by one, so that a broken one is a line in a table and never the end of a run."""

from __future__ import annotations

import importlib.util
import os
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
    plugins: list[PluginRecord] = field(default_factory=list)

    def by_hook(self) -> dict[str, Catalog[Any]]:
        """Hook name to the catalogue that it fills."""
        return {
            "register_detectors": self.detectors,
            "register_encoders": self.encoders,
            "register_datasets": self.datasets,
            "register_perturbations": self.perturbations,
            "register_metrics": self.metrics,
        }


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
    the time in seconds that an outside plugin may take to import. Files given explicitly always load.
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
    staged: list[tuple[Catalog[Any], Entry[Any]]] = []
    try:
        plugin = _within(timeout, candidate) if candidate.outside else candidate.load()
        _stage(plugin, candidate, catalogs, staged)
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return PluginRecord(candidate.name, candidate.origin, "failed", text)
    for catalog, entry in staged:
        catalog.add(entry)
    names = tuple(f"{catalog.kind} {entry.name}" for catalog, entry in staged)
    return PluginRecord(candidate.name, candidate.origin, "ok", registered=names)


def _within(timeout: float, candidate: _Candidate) -> object:
    """Import an outside plugin in a thread of its own, so that one that hangs is left behind."""
    outcome: list[object] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(candidate.load())
        except (Exception, SystemExit) as error:
            failure.append(error)

    thread = threading.Thread(target=work, name=f"plugin {candidate.name}", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError(f"still importing after {timeout:g} s ({TIMEOUT_VARIABLE} sets the limit)")
    if failure:
        raise failure[0]
    return outcome[0]


def _stage(
    plugin: object,
    candidate: _Candidate,
    catalogs: Catalogs,
    staged: list[tuple[Catalog[Any], Entry[Any]]],
) -> None:
    """Call the plugin's hooks alone; nothing reaches the catalogues before all of them succeeded."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=candidate.name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise UserError("no function of it is marked @hookimpl")
    for hook_name, catalog in catalogs.by_hook().items():
        taken = {entry.name: entry for entry in catalog}

        def register(
            name: str,
            target: str | Factory,
            /,
            *,
            _catalog: Catalog[Any] = catalog,
            _taken: dict[str, Entry[Any]] = taken,
            **facts: object,
        ) -> None:
            if name in _taken:
                raise UserError(
                    f"{_catalog.kind} {name!r} is registered twice: "
                    f"by {_taken[name].origin} and by {candidate.origin}"
                )
            card: Card = make_card(_catalog.card_class, facts)
            entry = Entry(name, target, card, candidate.origin)
            _taken[name] = entry
            staged.append((_catalog, entry))

        getattr(manager.hook, hook_name)(register=register)
