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


class _AnyAttribute(type):
    """Class attributes of a stand-in exist, so that class bodies and decorators go through."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _StandIn(metaclass=_AnyAttribute):
    """Anything of a package that is not there: it can be named, subclassed and decorated with.

    Making one works only while the suite is imported, where module bodies fill tables with them.
    """

    def __init__(self, *_: object, **__: object) -> None:
        if not _finder.importing:
            kind = type(self)
            raise ImportError(f"{kind.__module__}.{kind.__name__} is only a stand-in: install its package")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments: Any, **__: object) -> Any:
        return arguments[0] if arguments and callable(arguments[0]) else self


class _Module(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__all__: list[str] = []

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
        self.importing = False

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
    """Drop what a failed import of a package, or its stand-in, left behind."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def stub_if_broken(package: str, notes: Notes, who: str) -> None:
    """Put a stand-in in place of an installed package that does not load; an absent one is left absent.

    A build for another CUDA version (torchaudio) otherwise breaks all that looks whether it is there.
    """
    try:
        importlib.import_module(package)
    except ModuleNotFoundError:
        return
    except Exception as error:  # RuntimeError, OSError, AttributeError, as it happens
        stub_package(package)
        notes.shim(
            f"stand-in for the package {package}", f"{who} needs it and it does not load: {_line(error)}"
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def import_with_stubs(module: str, notes: Notes, needed: tuple[str, ...] = ()) -> ModuleType:
    """Import a suite's module; packages that it turns out to lack are stubbed one by one meanwhile.

    The stand-ins are gone when this returns, so that nobody else takes them for the real packages.

    needed: top-level packages that must be real.

    Raises:
        UserError: one of those is not installed, or the import fails in another way.
    """
    package = module.partition(".")[0]
    stubbed: list[str] = []
    _finder.importing = True
    try:
        while True:
            try:
                return importlib.import_module(module)
            except ModuleNotFoundError as error:
                missing = (error.name or "").partition(".")[0]
                if not missing or missing in (package, *needed, *stubbed):
                    raise UserError(f"{module} cannot be imported: {error}; pip install {missing}") from error
                forget(package)
                stub_package(missing)
                stubbed.append(missing)
                notes.shim(
                    f"stand-in for the package {missing}", f"{package} imports it, and it is not installed"
                )
            except Exception as error:  # whatever its packages do not get on about
                raise UserError(f"{module} cannot be imported: {_line(error)}") from error
    finally:
        _finder.importing = False
        for name in stubbed:
            _finder.packages.discard(name)
            forget(name)
