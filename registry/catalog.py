"""Lazy tables from a name to a factory; nothing is imported before it is asked for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from registry.card import (
    Card,
    DatasetCard,
    DetectorCard,
    EncoderCard,
    FigureCard,
    MetricCard,
    PerturbationCard,
)
from registry.errors import LoadError, UserError, nearest, unknown_name

CardT = TypeVar("CardT", bound=Card)
Factory = Callable[..., Any]


@dataclass(frozen=True)
class Entry(Generic[CardT]):
    """One registered name: what makes it, what is known of it, and which plugin it came from."""

    name: str
    target: str | Factory
    card: CardT
    origin: str

    def load(self) -> Factory:
        """The factory itself, imported now if it was named as `module:object`."""
        if not isinstance(self.target, str):
            return self.target
        module_name, _, attribute = self.target.partition(":")
        try:
            found = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything when imported
            reason = f"{type(error).__name__}: {error}"
            raise LoadError(f"{self.name!r} from {self.origin} cannot be loaded: {reason}") from error
        if not callable(found):
            raise LoadError(f"{self.name!r} from {self.origin}: {self.target} is not callable")
        return found


class Catalog(Generic[CardT]):
    """All registered names of one kind, in the order they were registered."""

    def __init__(self, kind: str, card_class: type[CardT]) -> None:
        self.kind = kind
        self.card_class = card_class
        self._entries: dict[str, Entry[CardT]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry[CardT]]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        return list(self._entries)

    def entry(self, name: str) -> Entry[CardT]:
        """The entry called `name`; an unknown name is refused with the nearest one."""
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def create(self, name: str, /, **options: object) -> Any:
        """Call the factory of `name`; options that it does not take are refused by name."""
        factory = self.entry(name).load()
        self.check_options(name, factory, options)
        return factory(**options)

    def check_options(self, name: str, factory: Factory, options: dict[str, object]) -> None:
        parameters = inspect.signature(factory).parameters
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return
        for key in options:
            if key not in parameters:
                known = ", ".join(parameters) or "none"
                raise UserError(
                    f"{self.kind} {name!r} has no option {key!r}{nearest(key, parameters)} (known: {known})"
                )

    def add(self, entry: Entry[CardT]) -> None:
        """Commit one entry. The caller has checked that the name is free."""
        self._entries[entry.name] = entry


@dataclass(frozen=True)
class PluginRecord:
    """One row of the plugin table. status: `ok`, `failed` or `disabled`; error says why not ok.

    file: absolute path of a plugin file, empty for an installed plugin.
    """

    name: str
    origin: str
    status: str
    error: str = ""
    registered: tuple[str, ...] = ()
    file: str = ""


@dataclass
class Catalogs:
    """Everything that plugins registered, by kind, and the table of the plugins themselves."""

    detectors: Catalog[DetectorCard] = field(default_factory=lambda: Catalog("detector", DetectorCard))
    encoders: Catalog[EncoderCard] = field(default_factory=lambda: Catalog("encoder", EncoderCard))
    datasets: Catalog[DatasetCard] = field(default_factory=lambda: Catalog("data set", DatasetCard))
    perturbations: Catalog[PerturbationCard] = field(
        default_factory=lambda: Catalog("perturbation", PerturbationCard)
    )
    metrics: Catalog[MetricCard] = field(default_factory=lambda: Catalog("metric", MetricCard))
    figures: Catalog[FigureCard] = field(default_factory=lambda: Catalog("figure", FigureCard))
    plugins: list[PluginRecord] = field(default_factory=list)

    def by_hook(self) -> dict[str, Catalog[Any]]:
        """Hook name to the catalogue that it fills."""
        return {
            "register_detectors": self.detectors,
            "register_encoders": self.encoders,
            "register_datasets": self.datasets,
            "register_perturbations": self.perturbations,
            "register_metrics": self.metrics,
            "register_figures": self.figures,
        }
