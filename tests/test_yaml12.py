"""Scalars are read as YAML 1.2 defines them, and a key stands once in a mapping."""

from __future__ import annotations

import math

import pytest
import yaml

from benchmarks.yaml12 import load_yaml


@pytest.mark.parametrize(
    "text", ["off", "on", "yes", "No", "y", "1:30", "2024-01-01", "0b1", "=", "1e", "0.1.0"]
)
def test_what_yaml_1_1_converts_is_text(text):
    assert load_yaml(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("~", None), ("null", None), ("010", 10), ("0o17", 15), ("0x1F", 31),
        ("-3", -3), ("100_000_000", 100_000_000), ("1e-3", 0.001), ("1E5", 100000.0), (".5", 0.5), ("1.", 1.0),
        ("-.inf", -math.inf), ("'true'", "true"), ("[1, off, {a: no}]", [1, "off", {"a": "no"}]),
    ],
)  # fmt: skip
def test_the_core_schema(text, value):
    found = load_yaml(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("value", ["off", True, 3, 1e-7, None, {"a": [1.5, "yes"]}])
def test_what_pyyaml_writes_is_read_back(value):
    assert load_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize(
    ("text", "lines"), [("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "3 and 5"), ("{a: 1, a: 2}", "1 and 1")]
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(text, lines):
    with pytest.raises(yaml.YAMLError, match=f"stands twice, in lines {lines}"):
        load_yaml(text)


def test_merge_keys_may_be_overridden():
    text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\n"
    assert load_yaml(text)["more"] == {"a": 1, "b": 3}


def test_no_code_is_named():
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        load_yaml("!!python/object/apply:os.getcwd []")
