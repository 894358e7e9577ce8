"""How a command ends: a user's mistake is one line on stderr and an exit code, not a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import partial

import typer

from benchmarks.commands.doctor_command import OPENCV_REMEDY
from benchmarks.text import say
from registry import UserError

_STORAGE_FAILED = {
    getattr(errno, name)
    for name in (
        "ENOSPC",
        "EDQUOT",
        "EFBIG",
        "EIO",
        "EROFS",
        "ESTALE",
        "ETIMEDOUT",
        "ENXIO",
        "ENODEV",
        "EREMOTEIO",
    )
    if hasattr(errno, name)
}
_OF_A_PATH = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


def end_plainly(command: Callable[[], object], name: str) -> None:
    """Call a command; a wrong request ends in exit code 2, a disk, a worker or an installation that fails in 1."""
    try:
        command()
    except UserError as error:
        sys.exit(_say(name, str(error), 2))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in _STORAGE_FAILED:
            # a full disk, a vanished share: what was written before is whole, the same command resumes
            text = f"{os.strerror(error.errno or 0)}{where}; what was finished is kept, run the same command again"
            sys.exit(_say(name, text, 1))
        if isinstance(error, _OF_A_PATH) and error.filename:
            sys.exit(_say(name, f"{error.filename}: {error.strerror}", 2))
        raise
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        text = "a process that decodes pictures was killed, perhaps for want of memory: lower --workers"
        sys.exit(_say(name, f"{text}; what was finished is kept, run the same command again", 1))
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        sys.exit(_say(name, f"{error}: {OPENCV_REMEDY}", 1))


def run_script(main: Callable[..., None]) -> None:
    """Run the function of a module that is called by `python -m MODULE`, its parameters as options."""
    spec = sys.modules["__main__"].__spec__
    end_plainly(partial(typer.run, main), spec.name if spec else "script")


def _say(name: str, message: str, code: int) -> int:
    say(f"{name}: {message}", err=True)
    return code
