"""Reads YAML as its version 1.2 defines scalars, and refuses a key that stands twice.

PyYAML follows YAML 1.1, where `off`, `no` and `yes` are booleans, `1e-3` is text, `1:30` is ninety, `010` is eight
and a date is an object: each of them a legal value of a detector's option that would arrive as something else.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, ScalarNode

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Scalars of YAML 1.2's core schema (digits may be grouped by `_`, as in 100_000_000); merge keys stay."""

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                places = f"lines {lines[key.value]} and {line}"
                raise ComposerError(problem=f"the key {key.value!r} stands twice, in {places}")
            lines[key.value] = line
        return node

    def construct_integer(self, node: ScalarNode) -> int:
        digits = node.value.replace("_", "")
        return int(digits, 0 if digits[:2] in ("0o", "0x") else 10)

    def construct_number(self, node: ScalarNode) -> float:
        # YAML writes infinity and not-a-number with a dot
        return float(re.sub(r"\.(?=[inIN])", "", node.value.replace("_", "")))


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0].endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_integer)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_number)


def load_yaml(text: str) -> Any:
    """The plain value that a YAML text holds; nothing in it can name code.

    Raises:
        yaml.YAMLError: not YAML, or a key that stands twice in one mapping.
    """
    return yaml.load(text, Loader=_Loader)
