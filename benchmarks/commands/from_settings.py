"""Options of a command, made from the fields of its settings: nothing about a setting is stated here a second time."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from benchmarks.commands.options import parse_detectors, parse_value, split_list, split_pairs
from benchmarks.config import DetectorSettings, Option, Settings, option_of

_OF_DETECTORS = "detector_options"
_METAVARS = {int: "N", float: "X", Path: "PATH"}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def takes(
    model: type[Settings], *, only: Collection[str] = (), without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of `model`; its first parameter `given` gets those that the user gave.

    A field that cannot be written as an option (settings within settings, pairs of numbers) is left to the YAML file.

    only, without: names of fields to take alone, or to leave out.
    """
    settings = [_Setting(name, field) for name, field in model.model_fields.items()]
    taken = [
        one for one in settings if one.writable and one.name not in without and (not only or one.name in only)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @functools.wraps(command)
        def called(**values: Any) -> None:
            read = {one.name: one.read(values) for one in taken}
            given = {
                name: value for name, value in read.items() if value is not None and value not in ([], {})
            }
            command(given, **{one.name: values[one.name] for one in own})

        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        for one in taken:
            parameters += one.parameters()
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorate


@dataclass(frozen=True)
class _Setting:
    """One field, as an option."""

    name: str
    field: FieldInfo

    @functools.cached_property
    def option(self) -> Option:
        return option_of(self.name, self.field)

    @functools.cached_property
    def kind(self) -> Any:
        return _bare(self.field.annotation)

    @functools.cached_property
    def many(self) -> Any:
        """`list`, `dict`, or None."""
        return found if (found := get_origin(self.kind)) in (list, dict) else None

    @functools.cached_property
    def item(self) -> Any:
        """The type of one value."""
        return _bare(get_args(self.kind)[-1]) if self.many else self.kind

    @property
    def writable(self) -> bool:
        simple = self.item in (int, float, str, Path) or get_origin(self.item) is Literal
        return (
            simple
            or (self.many is list and self.item is DetectorSettings)
            or (self.many is dict and self.item is Any)
            or self.kind is bool
        )

    @property
    def _by_commas(self) -> bool:
        return self.many is list and self.item is not Path and self.option.commas

    def parameters(self) -> Iterator[inspect.Parameter]:
        """What typer makes the option of; detectors have a second one, for their constructors' options."""
        as_is = self.many is not dict and not self._by_commas
        one: Any = self.item if self.item in (bool, int, float, Path) and as_is else str
        metavar = self.option.metavar or (
            "NAME=VALUE" if self.many is dict else _METAVARS.get(self.item, "TEXT")
        )
        if get_origin(self.item) is Literal:
            metavar = "|".join(get_args(self.item))
        spelled = self.option.name
        if self.kind is bool:
            metavar, spelled = "", f"{spelled}/--no-{spelled[2:]}" if self.field.default is True else spelled
        kind = Optional[list[one]] if self.many else Optional[one]  # noqa: UP045 - typer reads it at run time
        if self.option.positional:
            marked = typer.Argument(help=self.meaning(), metavar=metavar, show_default=False)
        else:
            marked = typer.Option(spelled, help=self.meaning(), metavar=metavar or None, show_default=False)
        yield _parameter(self.name, kind, marked, self.field.is_required())
        if self.item is DetectorSettings:
            text = "Constructor option of a detector (can be repeated)"
            marked = typer.Option("--option", help=text, metavar="DETECTOR.OPTION=VALUE")
            yield _parameter(_OF_DETECTORS, Optional[list[str]], marked)  # noqa: UP045

    def meaning(self) -> str:
        """What the option means; in brackets how often it is given, its bounds and its default."""
        notes = [bounds(self.field)]
        single = any(getattr(rule, "max_length", None) == 1 for rule in self.field.metadata)
        if self.many and not single and not self.option.positional:
            notes.append("comma-separated" if self._by_commas else "can be repeated")
        default = self.field.get_default(call_default_factory=True)
        if not self.field.is_required() and default not in (None, "", [], {}) and self.kind is not bool:
            notes.append(f"default {plain(default)}")
        text, said = self.field.description or "", "; ".join(filter(None, notes))
        return f"{text[:1].upper()}{text[1:]}{f' ({said})' if said else ''}"

    def read(self, values: Mapping[str, Any]) -> Any:
        """The value that the user gave, as `parse_settings` takes it."""
        raw = values[self.name]
        if self.item is DetectorSettings:
            return parse_detectors(raw, values[_OF_DETECTORS], self.option.name)
        if self.many is dict:
            pairs = split_pairs(raw, self.option.name)
            return {key: parse_value(text) for key, text in pairs.items()} if self.item is Any else pairs
        if self._by_commas and self.item in (int, float):
            return [parse_value(text) for text in split_list(raw)]
        return split_list(raw) if self._by_commas else raw


def _bare(annotation: Any) -> Any:
    """A type without `Annotated` and without `None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not NoneType))
    return annotation


def _parameter(name: str, kind: Any, marked: Any, required: bool = False) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind, marked],
    )


def bounds(field: FieldInfo) -> str:
    """`at least 1`, `above 0`, or nothing."""
    found = ((word, getattr(rule, key, None)) for rule in field.metadata for key, word in _BOUNDS.items())
    return " and ".join(f"{word} {plain(limit)}" for word, limit in found if limit is not None)


def plain(value: Any) -> str:
    """A default or a bound as a person writes it: 30 instead of 30.0, and 100,000,000."""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
