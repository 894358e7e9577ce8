"""Renders the reference page from the code: `python -m tests.docs.reference > benchmarks/docs/reference.md`."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel

from benchmarks.commands.from_settings import bounds
from registry import Catalogs, hookspecs, load_plugins
from tests.conftest import ROOT

NAMES = {
    str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", Any: "value", NoneType: "null",
}  # fmt: skip
PAGE = ROOT / "benchmarks" / "docs" / "reference.md"


def render() -> str:
    """The whole page."""
    catalogs = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})
    parts = [
        "# Reference",
        "Rendered from the code by `python -m tests.docs.reference`; a test fails when this page is behind it.",
        "## Commands",
        *commands(),
        "## Configuration keys",
        "Of the YAML files given to a command; its options say the same, and win. Booleans are `true` and `false`, numbers "
        "may be written `1e-3`. Unknown keys, wrong types and a key that stands twice are refused.",
        *settings(),
        "## Hooks",
        "Functions of a plugin marked `@registry.hookimpl`, each called once with `register(name, target, **card)`.",
        table(("hook", "what it registers"), hooks()),
        "## Metrics",
        table(("metric", "meaning", "better"), metrics(catalogs)),
        "## Perturbations",
        table(("perturbation", "meaning", "parameter"), perturbations(catalogs)),
        "## Data set layouts",
        table(("layout", "what it reads"), ((entry.name, entry.card.summary) for entry in catalogs.datasets)),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table whose first column is code."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for first, *others in rows:
        first = first.replace("|", "\\|")
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in others)
        lines.append(f"| {' | '.join([f'`{first}`', *cells])} |")
    return "\n".join(lines)


def all_commands() -> Iterator[tuple[str, Any]]:
    """Name as it is typed, and the command."""
    from benchmarks.cli import app

    def walk(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if not inner:
            yield prefix, command
        for name, one in sorted((inner or {}).items()):
            yield from walk(f"{prefix} {name}", one)

    yield from walk("d3qe-bench", typer.main.get_command(app))


def commands() -> Iterator[str]:
    for name, command in all_commands():
        yield f"### `{name}`"
        yield inspect.cleandoc(command.help or "").replace("\f", "")
        yield table(("argument or option", "meaning"), parameters(command))


def parameters(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "option":
            flags = " / ".join([*parameter.opts, *parameter.secondary_opts])
            shown = " ".join(filter(None, (flags, parameter.metavar)))
        else:
            shown = parameter.metavar or parameter.name.upper()
        yield shown, getattr(parameter, "help", None) or ""


def all_settings() -> list[Any]:
    """Every settings class of the harness, in the order of their modules."""
    from benchmarks.config import Settings

    for file in sorted((ROOT / "benchmarks").rglob("*.py")):
        if re.search(r"^class \w+\((?:\w+, )?\w*Settings\)", file.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    kinds = {kind for kind in _below(Settings) if kind.__module__.startswith("benchmarks.")}
    return sorted(kinds, key=lambda kind: (kind.__module__, kind.__name__))


def _below(kind: Any) -> Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def settings() -> Iterator[str]:
    """The tables of what a YAML file can say; bases are part of what builds on them, commands without a file are above."""
    for kind in all_settings():
        if kind.__module__.startswith("benchmarks.commands.") or kind.__subclasses__():
            continue
        yield f"### {kind.__name__}"
        yield inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
        yield table(("key", "type", "default", "meaning"), keys(kind))


def keys(kind: Any) -> Iterator[tuple[str, str, str, str]]:
    for name, field in kind.model_fields.items():
        allowed = "; ".join(filter(None, (type_name(field.annotation), bounds(field))))
        default = "required" if field.is_required() else as_yaml(field.get_default(call_default_factory=True))
        yield name, allowed, default, field.description or ""


def as_yaml(value: Any) -> str:
    """A default as it would stand in the file; settings within settings have a table of their own."""
    if isinstance(value, BaseModel):
        return "as below"
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    return f"`{json.dumps(plain) if plain == '' or not isinstance(plain, str) else plain}`"


def type_name(annotation: Any) -> str:
    """A type in the words of YAML: no module names, no validators."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (Union, UnionType):
        return " or ".join(map(type_name, arguments))
    if origin is list:
        return f"list of {type_name(arguments[0])}"
    if origin is tuple:
        return " and ".join(map(type_name, arguments))
    if origin is dict:
        return f"name → {type_name(arguments[1])}"
    return NAMES.get(annotation) or annotation.__name__


def hooks() -> Iterator[tuple[str, str]]:
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("register_"):
            yield name, inspect.getdoc(function) or ""


def metrics(catalogs: Catalogs) -> Iterator[tuple[str, str, str]]:
    for entry in catalogs.metrics:
        yield entry.name, entry.card.summary, "higher" if entry.card.higher_is_better else "lower"


def perturbations(catalogs: Catalogs) -> Iterator[tuple[str, str, str]]:
    for entry in catalogs.perturbations:
        yield entry.name, entry.card.summary, entry.card.parameter or "none"


if __name__ == "__main__":
    sys.stdout.write(render())
