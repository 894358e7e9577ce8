"""Loads a stranger's plugin in a process of its own first, where it may hang, crash or exit without harm.

Nothing is remembered for the next run: what a plugin imports may change without a change to the plugin.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from registry.candidates import Candidate
from registry.catalog import Catalogs
from registry.manager import TIMEOUT_VARIABLE, TRIAL_VARIABLE
from registry.staging import one_line, stage


def try_all(candidates: Sequence[Candidate], seconds: float) -> Iterator[str]:
    """Why each candidate cannot be loaded, empty for one that can. As many are tried at once as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(partial(_try, seconds=seconds), candidates)


def _try(candidate: Candidate, seconds: float) -> str:
    kind = "file" if isinstance(candidate.source, Path) else "entry point"
    command = [sys.executable, "-P", "-m", "registry.trial", kind, candidate.name, str(candidate.source)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), TRIAL_VARIABLE: "1"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"TimeoutError: still loading after {seconds:g} s ({TIMEOUT_VARIABLE} sets the limit)"
    if ended.stdout:
        return str(json.loads(ended.stdout))
    code = ended.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"it ends the interpreter that loads it, with {how}"


def _main(kind: str, name: str, source: str) -> None:
    """Answer on standard output with a JSON string: the reason why the plugin cannot be loaded, or an empty one."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the plugin prints is no answer
    candidate = Candidate(name, source, Path(source) if kind == "file" else source)
    reason = ""
    try:
        stage(candidate, Catalogs())
    except BaseException as error:  # this process has nothing else to do than to tell
        reason = one_line(error)
    os.write(answer, json.dumps(reason).encode())
    os._exit(0)  # threads that the plugin started are not waited for


if __name__ == "__main__":
    _main(*sys.argv[1:])
