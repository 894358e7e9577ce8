"""A disk that is full after so many writes, in the process that calls `fills_up`."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def fills_up(folder: Path, writes: int, seen: Path | None = None) -> None:
    """Let so many files and folders be opened for writing, made or renamed below `folder`; all later ones fail.

    What libraries write by themselves is met before and after: by the folder it goes to and by its new name.

    seen: a file elsewhere that gets one letter per such write.
    """
    root, left = str(folder), writes

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == "open":
            path, _, flags = arguments
            writing = isinstance(flags, int) and flags & _WRITING
        else:
            path, writing = arguments[0] if arguments else None, event in ("os.mkdir", "os.rename")
        if not writing or not isinstance(path, str | Path) or not str(path).startswith(root):
            return
        if seen is not None:
            with seen.open("a") as stream:
                stream.write(".")
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    sys.addaudithook(watch)
