"""Are two detectors really different? Paired tests on the same pictures, and ranks over test sets."""
