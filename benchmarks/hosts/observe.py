"""Replaces things of a suite for as long as its entry point runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` until the block ends."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def observed(owner: Any, name: str) -> Iterator[list[Any]]:
    """What the function `owner.name` returns while the block runs, call by call; it works as before.

    Suites print figures to four digits that their functions return in full.
    """
    original = getattr(owner, name)
    returned: list[Any] = []

    @wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        returned.append(original(*args, **kwargs))
        return returned[-1]

    with replaced(owner, name, watched):
        yield returned
