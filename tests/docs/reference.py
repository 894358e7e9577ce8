"""Renders the reference page from the code: `python -m tests.docs.reference > benchmarks/docs/reference.md`."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import typer

from registry import Catalogs, hookspecs, load_plugins
from tests.conftest import ROOT

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
        "Of the YAML files given to a command. Unknown keys and wrong types are refused with the nearest name.",
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
        shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
        yield shown, getattr(parameter, "help", None) or ""


def all_settings() -> list[Any]:
    """Every settings class of the harness, in the order of their modules."""
    from benchmarks.config import Settings

    for file in sorted((ROOT / "benchmarks").rglob("*.py")):
        if re.search(r"^class \w+\((?:\w+, )?\w*Settings\)", file.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return sorted(_below(Settings), key=lambda kind: (kind.__module__, kind.__name__))


def _below(kind: Any) -> Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def settings() -> Iterator[str]:
    for kind in all_settings():
        yield f"### {kind.__name__}"
        yield inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
        yield table(("key", "type", "default", "meaning"), keys(kind))


def keys(kind: Any) -> Iterator[tuple[str, str, str, str]]:
    for name, field in kind.model_fields.items():
        default = (
            "required" if field.is_required() else f"`{plain(field.get_default(call_default_factory=True))}`"
        )
        yield name, f"`{type_name(field.annotation)}`", default, field.description or ""


def plain(value: Any) -> str:
    return (
        str(value)
        if isinstance(value, int | float | str) or value is None
        else re.sub(r"PosixPath\('(.*?)'\)", r"\1", str(value))
    )


def type_name(annotation: Any) -> str:
    """A type as a person would say it: no module names, no validators."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    text = re.sub(r"Annotated\[(\w+), Strict\(.*?\)\]", r"\1", str(annotation))
    return re.sub(r"\b[\w.]+\.(\w+)", r"\1", text)


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
