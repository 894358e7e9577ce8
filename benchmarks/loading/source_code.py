"""Which source code something runs, as one digest."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from typing import Any


def code_digest(*things: Any) -> str:
    """SHA-256 in hexadecimal of the files that define classes or functions, and of those of their own packages and of the
    registry from which these take anything.

    Code of other distributions is known by their versions.
    """
    defined = (getattr(thing, "func", thing) for thing in things)  # of a functools.partial
    left = [str(getattr(one, "__module__", type(one).__module__)) for one in defined]
    packages = {name.partition(".")[0] for name in left} | {"registry"}
    found: dict[str, bytes] = {}
    while left:
        name = left.pop()
        module = sys.modules.get(name)
        if name in found or module is None or name.partition(".")[0] not in packages:
            continue
        file = getattr(module, "__file__", None)
        found[name] = Path(file).read_bytes() if file else b""
        for value in vars(module).values():
            of = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            left += [of] if isinstance(of, str) else []
    whole = hashlib.sha256()
    for name, content in sorted(found.items()):
        whole.update(f"{name} {len(content)} ".encode() + content)
    return whole.hexdigest()
