"""The picture as it is."""

from __future__ import annotations

from numpy.random import Generator
from PIL.Image import Image

from registry.errors import UserError


def none(parameter: str) -> object:
    """No perturbation; takes no parameter."""
    if parameter:
        raise UserError(f"none takes no parameter, got {parameter!r}")
    return _unchanged


def _unchanged(picture: Image, rng: Generator) -> Image:
    return picture
