"""Errors that are the user's to mend: the command prints their text and no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The request cannot be carried out as it was made; the text says what to change."""


class LoadError(UserError):
    """What a plugin registered cannot be used: its module fails, or is not what its card says."""


class WeightsError(UserError):
    """A weights file is absent, unsafe, or does not fit the network it was given for."""


class OutputError(UserError):
    """A detector returned something else than one logit per picture."""


class LayoutMismatch(UserError):
    """A folder does not have the on-disk layout that a data set source reads."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the allowed name closest to `name`, or an empty string."""
    folded = {candidate.casefold(): candidate for candidate in allowed}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return f", did you mean {folded[found[0]]!r}?" if found else ""


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> UserError:
    """The error for a name that is not in a table: the name, the nearest one, and all of them."""
    names = sorted(allowed)
    listed = ", ".join(names) or "none"
    return UserError(f"unknown {kind} {name!r}{nearest(name, names)} (known: {listed})")
