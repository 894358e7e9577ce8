"""The one place that knows which plugins, which weights files and which networks a command works with.

    from benchmarks.loading import open_session

    session = open_session(detectors=["random_score"])
    frame = session.score(["picture.png"])

The names below are loaded when first used: listing plugins needs none of the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.loading.catalogs import load_catalogs
    from benchmarks.loading.locate import Locator
    from benchmarks.loading.session import Session, open_session

_HOMES = {"load_catalogs": "catalogs", "Locator": "locate", "Session": "session", "open_session": "session"}

__all__ = ["Locator", "Session", "load_catalogs", "open_session"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
