"""How a command ends: a user's mistake is one line on stderr and an exit code, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import typer

from benchmarks.commands.doctor import OPENCV_REMEDY
from registry import UserError


def end_plainly(command: Callable[[], object], name: str) -> None:
    """Call a command; a wrong request ends in exit code 2, a disk or an installation that fails in 1."""
    try:
        command()
    except UserError as error:
        sys.exit(_say(name, str(error), 2))
    except OSError as error:
        # a full disk, a vanished share: what was written before is whole, the same command resumes
        where = f" ({error.filename})" if error.filename else ""
        text = f"{error.strerror or error}{where}; what was finished is kept, run the same command again"
        sys.exit(_say(name, text, 1))
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        sys.exit(_say(name, f"{error}: {OPENCV_REMEDY}", 1))


def run_script(main: Callable[..., None]) -> None:
    """Run the function of a module that is called by `python -m MODULE`, its parameters as options."""
    spec = sys.modules["__main__"].__spec__
    end_plainly(partial(typer.run, main), spec.name if spec else "script")


def _say(name: str, message: str, code: int) -> int:
    print(f"{name}: {message}", file=sys.stderr)
    return code
