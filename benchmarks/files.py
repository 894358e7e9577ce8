"""Text and JSON files that appear whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.files import atomic


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON (no NaN) atomically."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a folder atomically, by name; returns their paths."""
    for name, text in texts.items():
        with atomic(folder / name) as draft:
            draft.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def write_json_by_line(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON atomically, one item of each list per line, so that two files can be compared."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if isinstance(value, list) and value:
            lines = (json.dumps(item, ensure_ascii=False, allow_nan=False) for item in value)
            text = "[\n  " + ",\n  ".join(lines) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    with atomic(path) as draft:
        draft.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
