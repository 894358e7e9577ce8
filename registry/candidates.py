"""Where plugins come from: entry points of installed distributions, and files named by the user."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from registry.hookspecs import PROJECT

OWN_DISTRIBUTION = "d3qe-bench"


@dataclass(frozen=True)
class Candidate:
    """A plugin that may be loaded. source: `module:object` of an entry point, or a file. own: this project's."""

    name: str
    origin: str
    source: str | Path
    own: bool = False

    @property
    def imported(self) -> bool:
        """Whether this process has its module already. A file is executed anew each time."""
        return isinstance(self.source, str) and self.source.partition(":")[0] in sys.modules

    def load(self) -> object:
        """The plugin itself; its code is executed, so anything may be raised."""
        if isinstance(self.source, Path):
            return _import_file(self.source)
        return metadata.EntryPoint(self.name, self.source, PROJECT).load()


def find_candidates(files: Iterable[Path]) -> list[Candidate]:
    """Entry points of all distributions, ours first so that an outsider cannot take a built-in name; then files."""
    found = []
    for point in metadata.entry_points(group=PROJECT):
        dist = point.dist
        own = dist is not None and dist.metadata["Name"] == OWN_DISTRIBUTION
        made_by = f"{dist.metadata['Name']} {dist.version}" if dist else "unknown distribution"
        found.append(Candidate(point.name, f"{made_by} ({point.value})", point.value, own))
    found.sort(key=lambda one: (not one.own, one.name, one.origin))
    return found + [Candidate(path.stem, f"file {path}", path) for path in map(Path, files)]


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
