"""Files that appear whole or not at all, and the user's cache folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it replaces `path` when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def user_folder(variable: str, name: str) -> Path:
    """A folder for what can be made or fetched again: `$variable`, else `name` in the user's cache."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    return platformdirs.user_cache_path("d3qe-bench") / name
