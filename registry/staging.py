"""Loads one plugin and calls its hooks alone; nothing reaches the catalogues before all succeeded."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pluggy

from registry import hookspecs
from registry.candidates import Candidate
from registry.card import make_card
from registry.catalog import Catalog, Catalogs, Entry, Factory
from registry.errors import UserError

Staged = list[tuple[Catalog[Any], Entry[Any]]]
_NAME = re.compile(r"[^\s,=]+")
"""Names stand in comma-separated lists and before `=` on the command line."""


def stage(candidate: Candidate, catalogs: Catalogs) -> Staged:
    """What the plugin registers, with the catalogue that each entry is for.

    Raises:
        UserError: it has no hook, or registers a name that is malformed or taken in `catalogs`.
        BaseException: whatever its code raises.
    """
    plugin = candidate.load()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=candidate.name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise UserError("no function of it is marked @hookimpl")
    staged: Staged = []
    for hook_name, catalog in catalogs.by_hook().items():
        getattr(manager.hook, hook_name)(register=partial(_register, candidate.origin, catalog, staged))
    return staged


def one_line(error: BaseException) -> str:
    """Kind and text of an error, for a cell of a table."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _register(
    origin: str, catalog: Catalog[Any], staged: Staged, name: str, target: str | Factory, /, **facts: object
) -> None:
    """Stage one name of a plugin: the `register` that its hook is called with."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"{catalog.kind} name {name!r}: no spaces, commas or equals signs, at least one character"
        )
    if not (isinstance(target, str) or callable(target)):
        raise UserError(f"{catalog.kind} {name!r}: {target!r} is neither 'module:object' nor callable")
    taken = [*catalog, *(entry for kind, entry in staged if kind is catalog)]
    for other in taken:
        if other.name == name:
            raise UserError(f"{catalog.kind} {name!r} is registered twice: by {other.origin} and by {origin}")
    staged.append((catalog, Entry(name, target, make_card(catalog.card_class, facts), origin)))
