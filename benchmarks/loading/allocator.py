"""What the C library does with memory that networks on a CPU free."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt(3)
_MAXIMUM = 2**31 - 1
_DEFAULTS = {_TRIM_THRESHOLD: 64 * 2**20, _MMAP_THRESHOLD: 32 * 2**20}
"""What glibc comes to by itself when large blocks are freed."""
_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def keep_freed_memory(keep: bool = True) -> bool:
    """Let this process keep what it frees, or give it back to the system as glibc does by default; whether that could be said.

    By default a block of 32 MiB, such as a full-size tokenizer's layer takes for one picture, is asked of the system at
    every call and given back after it, and the system fills it with zeros page by page: that takes longer than many a
    layer. Kept, the process stays as large as it was at its largest. Nothing is changed where the environment sets
    glibc's allocator, nor where there is another C library.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _OWN):
        return False
    try:
        library = ctypes.CDLL(None)
        set_option, trim = library.mallopt, library.malloc_trim
    except (OSError, AttributeError):
        return False
    done = [set_option(name, _MAXIMUM if keep else default) for name, default in _DEFAULTS.items()]
    if not keep:
        trim(0)
    return all(done)
