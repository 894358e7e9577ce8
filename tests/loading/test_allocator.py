"""The memory that layers take and free is asked of the system once, not at every call."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

FAULTS = """
import resource, sys
import torch
from benchmarks.loading.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def of_a_block():
    found = []
    for _ in range(40):
        before = faults()
        torch.ones(10_000_000)
        found.append(faults() - before)
    return min(found)

by_default = of_a_block()
print(keep_freed_memory(), by_default, of_a_block(), keep_freed_memory(False))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_kept_memory_is_not_asked_for_again(monkeypatch):
    command = [sys.executable, "-c", FAULTS]

    def run() -> list[str]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.split()

    said, by_default, kept, back = run()
    assert (said, back) == ("True", "True")
    assert int(kept) < 0.1 * int(by_default)
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "100000000")
    assert run()[0] == "False", "what the environment says stands"
