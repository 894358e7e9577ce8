"""Coverage of every interval and false positives of every test that the project makes, by simulation.

`python -m tools.calibration` writes `benchmarks/docs/calibration.md` with its figure and its numbers (JSON). The functions
that make the intervals and tests are the product's own, those that fill its tables.
"""
