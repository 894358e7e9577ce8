"""How values that several commands take are written on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.yaml12 import load_yaml
from registry import UserError


def split_list(values: Iterable[str] | None) -> list[str]:
    """`a,b` and repeated options alike: one flat list."""
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def split_paths(values: Iterable[str] | None, option: str) -> dict[str, Path]:
    """`NAME=PATH` options as a dictionary. Raises `UserError` for one without `=`."""
    return {name: Path(path) for name, path in split_pairs(values, option).items()}


def split_pairs(values: Iterable[str] | None, option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a dictionary. Raises `UserError` for one without `=`."""
    pairs = {}
    for value in values or ():
        name, equals, content = value.partition("=")
        if not (name and equals and content):
            raise UserError(f"{option} {value!r}: write NAME=VALUE")
        pairs[name.strip()] = content.strip()
    return pairs


def parse_detectors(
    values: Iterable[str] | None, options: Iterable[str] | None = None, spelled: str = "--detectors"
) -> list[dict[str, Any]]:
    """`NAME` or `LABEL=NAME`, with `LABEL.OPTION=VALUE` constructor options (values as YAML)."""
    detectors: dict[str, dict[str, Any]] = {}
    for value in split_list(values):
        label, equals, name = value.partition("=")
        shown = label.strip()
        if shown in detectors:
            raise UserError(f"{spelled} names {shown!r} twice: give one a label, as in other={shown}")
        detectors[shown] = {"name": name.strip(), "label": shown} if equals else {"name": shown}
    for key, value in split_pairs(options, "--option").items():
        label, dot, option = key.partition(".")
        if not dot or label not in detectors:
            known = f"one of {', '.join(detectors)}" if detectors else f"a detector that {spelled} names"
            raise UserError(f"--option {key}={value}: write DETECTOR.OPTION=VALUE for {known}")
        detectors[label].setdefault("options", {})[option] = parse_value(value)
    return list(detectors.values())


def parse_value(text: str) -> Any:
    """A YAML value: `true`, `3`, `1e-3`, `null`, `[1, 2]`, or text."""
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        return text
