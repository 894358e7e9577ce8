"""Processes forked from a server that imports everything once, and in which nothing was computed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess

from tests.conftest import ROOT

_CONTEXT = multiprocessing.get_context("forkserver")


def start_forked(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Call a function of a module in a new process; the server is started with that module if there is none yet."""
    _CONTEXT.set_forkserver_preload([target.__module__])
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)
    process = _CONTEXT.Process(target=target, args=arguments)
    process.start()
    return process
