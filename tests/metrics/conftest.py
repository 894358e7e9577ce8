"""Hypothesis without a deadline (a loaded machine is no failure) and with the same examples every time."""

from hypothesis import settings

settings.register_profile("deterministic", deadline=None, derandomize=True)
settings.load_profile("deterministic")
