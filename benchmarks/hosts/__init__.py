"""Our detectors inside suites that people already use, one module per suite.

As a library, `from benchmarks.hosts import detectzoo; detectzoo.register()` makes
`detectzoo.load_detector("d3qe")` work, and so for the others; `d3qe-bench host run SUITE` does the
same, then runs the suite's own entry point and collects its results into a run folder. Nothing of
a suite's code is part of this project.
"""

SUITES = ("detectzoo", "forensichub", "deepsafe", "deepfakebench", "gasbench")
"""Modules of this package, one per suite, each with `SUITE`, `register`, `start` and `evaluate`."""
