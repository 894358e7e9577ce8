"""Input protocols: as a detector was published, or the same resize and crop for all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from registry.card import PROTOCOLS
from registry.errors import UserError, nearest
from registry.view import View

OfferedT = TypeVar("OfferedT")

UNIFORM_RESIZE = 256
"""Length of the short side in pixels under the uniform protocol."""


def takes_protocol(factory: Callable[..., Any]) -> bool:
    """Whether a detector's factory has the option `protocol`; one without it is of its published protocol only."""
    return "protocol" in inspect.signature(factory).parameters


def view_for(protocol: str, original: View, *, crop: int = 224) -> View:
    """The view that a detector reads under `protocol`.

    original: the published preprocessing.
    crop: side of the centred square under `uniform`, in pixels: 224, or 256 for networks that need it.

    Returns:
        `original`, or what it does to a picture after the resize and crop that all detectors share.

    Raises:
        UserError: no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise UserError(
            f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)} (known: {', '.join(PROTOCOLS)})"
        )
    if protocol == "original":
        return original
    return replace(
        original, resize=UNIFORM_RESIZE, crop=crop, interpolation="bilinear", antialias=True, stretch=False
    )


def published_input(detector: str, protocol: str, name: str, offered: Mapping[str, OfferedT]) -> OfferedT:
    """One of several inputs that a detector was published with, for its option `input`.

    offered: by the test set, or the suite, whose published figures were measured with it; the first is the default.

    Raises:
        UserError: no such input, or one that was asked for under `uniform`, which is one for all.
    """
    if name not in offered:
        raise UserError(
            f"{detector}: input {name!r} is not known{nearest(name, offered)} (known: {', '.join(offered)})"
        )
    if protocol != "original" and name != next(iter(offered)):
        raise UserError(f"{detector}: input {name!r} is of the protocol original, not of {protocol}")
    return offered[name]
