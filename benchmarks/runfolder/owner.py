"""One process at a time writes into a folder: a second one would score everything again beside the first.

The lock is the operating system's, on `.lock` in the folder, so it is gone when its process is, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

from benchmarks.ranks import Processes
from registry.errors import UserError
from registry.files import remove_drafts

LOCK, OWNER = ".lock", ".owner.json"


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold `folder` until the block ends; drafts of files that a killed process left in it are removed.

    Raises:
        UserError: another process holds it, on this machine or on one that shares the disk; it is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"{folder} is in use by {_owner(folder)}: wait for it, or choose another folder"
        ) from None
    note = folder / OWNER
    try:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        note.write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": started}))
        remove_drafts(folder)
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def owned_by_all(folder: Path, processes: Processes) -> Iterator[None]:
    """As `sole_owner`, for processes that work together: the first holds it, and all go on or all are refused."""
    with contextlib.ExitStack() as stack:
        problem = None
        if processes.first:
            try:
                stack.enter_context(sole_owner(folder))
            except UserError as error:
                problem = str(error)
        processes.agree(problem)
        yield


def _owner(folder: Path) -> str:
    try:
        found = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {found['process']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
