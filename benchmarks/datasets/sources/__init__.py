"""The catalogue's files, read as they are: cheap enough for every start of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def source_facts() -> list[dict[str, Any]]:
    """What each file of this folder says, in the order of their names; `published.PublishedSet` has the meaning."""
    return [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(Path(__file__).parent.glob("*.yaml"))
    ]
