"""`jpeg:75`, and chains of such steps, as named, seeded functions of a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import numpy as np
from PIL.Image import Image

from benchmarks.pictures import PictureError
from registry.card import PerturbationCard
from registry.catalog import Catalog
from registry.errors import UserError

CLEAN = "none"
"""The perturbation of pictures as they are."""

CHAIN = "chain:"
"""Begins the name of several perturbations done one after the other: `chain:resize:0.5,jpeg:70`."""

_MOST_DIGITS = 12


Step = Callable[[Image, np.random.Generator], Image]


@dataclass(frozen=True)
class Steps:
    """What the factory of a named chain returns instead of a function: its steps, as `chain:` takes them."""

    text: str


@dataclass(frozen=True)
class Perturbation:
    """A perturbation with its parameter. name: canonical, so that equal ones have equal names.

    steps: what a named chain stands for, as a `chain:` that names no other; empty for anything else.
    """

    name: str
    function: Step
    steps: str = ""

    def apply(self, picture: Image, key: str, seed: int) -> Image:
        """The perturbed RGB picture.

        key: names the picture, `pixel_digest` in runs. Random choices depend on (seed, name, key) alone: they
            are the same for every detector, in any order, in any process, for either class and every copy.

        Raises:
            PictureError: the picture cannot be perturbed this way, for example larger than WebP allows.
        """
        if self.name == CLEAN:
            return picture
        try:
            return self.function(picture, seeded_rng(seed, self.name, key))
        except (OSError, ValueError) as error:
            raise PictureError(f"{self.name}: {error}") from error


def seeded_rng(seed: int, name: str, key: str) -> np.random.Generator:
    """A generator of its own for each (seed, name, key)."""
    digest = hashlib.sha256(f"{seed}\0{name}\0{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def parse_perturbation(
    text: str, catalog: Catalog[PerturbationCard], within: tuple[str, ...] = ()
) -> Perturbation:
    """The perturbation written as `name`, `name:parameter` or `chain:name:parameter,name:parameter,…`.

    `jpeg:075` and `jpeg:75` are one. The steps of a chain draw from one generator, one after the other; a named chain
    among them stands for its own steps. within: the named chains that are being read.

    Raises:
        UserError: an unknown name (with the nearest one), a parameter it does not take (with its range), an
            empty chain, or a named one that goes round in a circle.
    """
    text = text.strip()
    if text.startswith(CHAIN):
        steps = [parse_perturbation(step, catalog, within) for step in text.removeprefix(CHAIN).split(",")]
        name = CHAIN + ",".join(step.steps.removeprefix(CHAIN) or step.name for step in steps)
        return Perturbation(name, partial(_chained, functions=[step.function for step in steps]))
    name, _, parameter = text.partition(":")
    parameter = _canonical(parameter.strip())
    function = catalog.entry(name.strip()).load()(parameter)
    if isinstance(function, Steps):
        if name in within:
            raise UserError(f"chain {name!r} goes round in a circle: {' → '.join((*within, name))}")
        chain = parse_perturbation(CHAIN + function.text, catalog, (*within, name))
        return Perturbation(name, chain.function, chain.name)
    return Perturbation(f"{name.strip()}:{parameter}" if parameter else name.strip(), function)


def _chained(picture: Image, rng: np.random.Generator, *, functions: Sequence[Step]) -> Image:
    for function in functions:
        picture = function(picture, rng)
    return picture


def split_perturbations(values: Iterable[str]) -> list[str]:
    """Values of an option that takes several separated by commas; the commas of a chain are its own."""
    return [
        part.strip()
        for value in values
        for part in ([value] if value.strip().startswith(CHAIN) else value.split(","))
        if part.strip()
    ]


def _canonical(parameter: str) -> str:
    """Numbers without superfluous zeros or exponents; anything else as it is."""
    try:
        value = Decimal(parameter).normalize()
    except ArithmeticError:
        return parameter
    digits = value.as_tuple()
    if not isinstance(digits.exponent, int) or abs(digits.exponent) > _MOST_DIGITS:
        return parameter
    return format(value, "f") if value else "0"
