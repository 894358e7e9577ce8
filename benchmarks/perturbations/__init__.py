"""Perturbations of the decoded picture: one file each, deterministic per (picture, perturbation)."""

from benchmarks.perturbations.spec import Perturbation, parse_perturbation, split_perturbations

__all__ = ["Perturbation", "parse_perturbation", "split_perturbations"]
