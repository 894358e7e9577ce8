"""Files that appear whole or not at all, and the user's cache folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left of files at any depth; only for whoever has the folder alone."""
    for draft in folder.rglob(".*.*.tmp"):
        if draft.is_file():
            draft.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it replaces `path` when the block ends without an exception.

    An `OSError` that does not name a file, such as that of a full disk, leaves with the name of this one, as does
    what safetensors raises in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    except Exception as error:
        number = (
            re.search(r"\(os error (\d+)\)", str(error))
            if type(error).__name__ == "SafetensorError"
            else None
        )
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def user_folder(variable: str, name: str) -> Path:
    """A folder for what can be made or fetched again: `$variable`, else `name` in the user's cache."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    return platformdirs.user_cache_path("d3qe-bench") / name
