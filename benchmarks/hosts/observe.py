"""Runs a suite's entry point, with functions of it watched for as long."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch


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

    with patch.object(owner, name, watched):
        yield returned


def run_script(script: Path, arguments: Sequence[str]) -> None:
    """Run a suite's script as `python script arguments…` would, in this process.

    Raises:
        RuntimeError: it ended with an exit code other than 0.
    """
    with patch.object(sys, "argv", [str(script), *arguments]):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{script.name} ended with exit code {end.code}") from end
