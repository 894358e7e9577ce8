"""Submissions: one reviewable JSON row per detector, and the check that score files reproduce it."""
