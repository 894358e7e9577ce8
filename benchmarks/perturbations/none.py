"""The picture as it is."""

from __future__ import annotations

from numpy.random import Generator
from PIL.Image import Image

from benchmarks.perturbations.parameter import no_parameter


def none(parameter: str) -> object:
    """No perturbation; takes no parameter."""
    no_parameter("none", parameter)
    return _unchanged


def _unchanged(picture: Image, rng: Generator) -> Image:
    return picture
