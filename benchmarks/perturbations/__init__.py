"""Perturbations of the decoded picture: one file each, deterministic per (picture, perturbation)."""

from benchmarks.perturbations.spec import CLEAN, Perturbation, parse_perturbation, split_perturbations

__all__ = ["CLEAN", "Perturbation", "parse_perturbation", "split_perturbations"]
