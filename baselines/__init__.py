"""Wrapped baselines, one file each."""
