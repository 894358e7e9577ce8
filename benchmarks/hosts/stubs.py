"""Stands in for packages that a suite imports but that what we run of it never calls."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from benchmarks.hosts.suite import Notes
from registry import UserError

_MOST_STUBS = 60


class _AnyAttribute(type):
    """Class attributes of a stand-in exist, so that class bodies and decorators go through."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _StandIn(metaclass=_AnyAttribute):
    """Anything of a package that is not there. It can be named and subclassed, not used."""

    def __init__(self, *_: object, **__: object) -> None:
        raise ImportError(f"{type(self).__module__}.{type(self).__name__} is a stand-in: install its package")


class _Module(ModuleType):
    __path__: list[str] = []
    __all__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _AnyAttribute(name, (_StandIn,), {"__module__": self.__name__})
        setattr(self, name, found)
        return found


class _Finder(MetaPathFinder, Loader):
    """Finds every submodule of the packages that were stubbed."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self.packages:
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


_finder = _Finder()


def stub_package(name: str) -> None:
    """From now on, `import name` and `import name.anything` give stand-ins."""
    forget(name)
    _finder.packages.add(name)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def forget(package: str) -> None:
    """Drop what a failed import of a package left behind."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def import_with_stubs(module: str, notes: Notes, needed: tuple[str, ...] = ()) -> ModuleType:
    """Import a suite's module; packages that it turns out to lack are stubbed one by one.

    needed: top-level packages that must be real.

    Raises:
        UserError: one of those is not installed.
    """
    package = module.partition(".")[0]
    for _ in range(_MOST_STUBS):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if not missing or missing in (package, *needed):
                raise UserError(f"{module} cannot be imported: {error}; pip install {missing}") from error
            forget(package)
            stub_package(missing)
            notes.shim(f"stand-in for the package {missing}", f"{package} imports it, and it is not installed")
    raise UserError(f"{module} still lacks packages after {_MOST_STUBS} stand-ins")
