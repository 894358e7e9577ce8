"""Data sets: one file per on-disk layout, and what turns a request into named test sets."""

from benchmarks.datasets.fingerprint import fingerprint
from benchmarks.datasets.resolve import find_test_sets, requested_test_sets
from benchmarks.datasets.selection import limit_per_class

__all__ = ["find_test_sets", "fingerprint", "limit_per_class", "requested_test_sets"]
