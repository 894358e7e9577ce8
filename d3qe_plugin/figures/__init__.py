"""Figures of what D³QE sees: code usage, ΔD, quantisation errors, attention, and what ΔD does to logits."""
