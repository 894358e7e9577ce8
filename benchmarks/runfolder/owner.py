"""Who writes into a folder: one process, or the shards of one request. Anybody else would score everything again beside them.

Locks are the operating system's, so they are gone when their process is, however that ended: `.lock` is held by a process
that has the folder alone, `.shards/2-of-3.lock` by that shard, which holds `.lock` only while it enters and leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from benchmarks.ranks import Processes
from registry.errors import UserError
from registry.files import remove_drafts

LOCK, OWNER, SHARDS = ".lock", ".owner.json", ".shards"
_PATIENCE = 5.0
"""Seconds that a shard waits for others that enter and leave."""


@dataclass(frozen=True)
class Shard:
    """One of `count` shards of a request; number: from 1. request: digest of what the shards of one have in common."""

    number: int
    count: int
    request: str

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class Ownership:
    """A folder that this process, or this and other shards, have."""

    @contextlib.contextmanager
    def leaving(self) -> Iterator[bool]:
        """Whether nobody else has the folder now; then nobody will while the block runs."""
        yield True


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[Ownership]:
    """Hold `folder` until the block ends; drafts of files that a killed process left in it are removed.

    Raises:
        UserError: another process holds it, on this machine or on one that shares the disk; it is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / LOCK, 0, lambda: _in_use(folder, _owner(folder / OWNER))):
        for note in _held_shards(folder):
            raise _in_use(folder, f"shard {note.stem.replace('-of-', '/')}, {_owner(note)}")
        with _noted(folder / OWNER):
            remove_drafts(folder)
            yield Ownership()


@contextlib.contextmanager
def shard_owner(folder: Path, shard: Shard) -> Iterator[Ownership]:
    """Hold `folder` together with the other shards of the same request.

    Raises:
        UserError: a process has it alone, shards of another request have it, or another process is this shard.
    """
    own = folder / SHARDS / f"{shard.number}-of-{shard.count}.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(own.with_suffix(".lock"))
    with contextlib.ExitStack() as stack:
        with _door(folder):
            for note in _held_shards(folder):
                if note == own:
                    raise UserError(f"shard {shard} of {folder} is being scored by {_owner(note)}")
                if _content(note).get("request") != shard.request:
                    raise _in_use(folder, f"shards of another request, {_owner(note)}")
            stack.enter_context(lock)
            stack.enter_context(_noted(own, request=shard.request))
        yield _ShardOwnership(folder, lock)


class _ShardOwnership(Ownership):
    def __init__(self, folder: Path, lock: filelock.BaseFileLock) -> None:
        self.folder = folder
        self.lock = lock

    @contextlib.contextmanager
    def leaving(self) -> Iterator[bool]:
        with _door(self.folder):
            # unlocked before the door is, so that of two shards that leave at once the second knows itself the last
            self.lock.release(force=True)
            yield not any(True for _ in _held_shards(self.folder))


@contextlib.contextmanager
def owned_by_all(folder: Path, processes: Processes, shard: Shard | None = None) -> Iterator[Ownership]:
    """As `sole_owner` or `shard_owner`, for processes that work together: the first holds it, and all go on or all are refused."""
    with contextlib.ExitStack() as stack:
        problem, found = None, Ownership()
        if processes.first:
            try:
                found = stack.enter_context(shard_owner(folder, shard) if shard else sole_owner(folder))
            except UserError as error:
                problem = str(error)
        processes.agree(problem)
        yield found


@contextlib.contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for `file`."""
    with filelock.FileLock(file.with_name(f".{file.name}.lock")):
        yield


def _door(folder: Path) -> contextlib.AbstractContextManager[None]:
    return _locked(folder / LOCK, _PATIENCE, lambda: _in_use(folder, _owner(folder / OWNER)))


@contextlib.contextmanager
def _locked(path: Path, seconds: float, refusal: Any) -> Iterator[None]:
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        raise refusal() from None
    try:
        yield
    finally:
        lock.release()


def _held_shards(folder: Path) -> Iterator[Path]:
    """The notes of shards that are at work."""
    for path in sorted(Path(folder, SHARDS).glob("*.lock")):
        try:
            with filelock.FileLock(path).acquire(timeout=0):
                continue
        except filelock.Timeout:
            yield path.with_suffix(".json")


def _in_use(folder: Path, by: str) -> UserError:
    return UserError(f"{folder} is in use by {by}: wait for it, or choose another folder")


@contextlib.contextmanager
def _noted(note: Path, **more: str) -> Iterator[None]:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"host": socket.gethostname(), "process": os.getpid(), "since": started, **more}
    note.write_text(json.dumps(facts), encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _content(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _owner(note: Path) -> str:
    found = _content(note)
    try:
        return f"process {found['process']} on {found['host']} since {found['since']}"
    except KeyError:
        return "another process"
