"""What the fault suite did, counted while it runs, for the page that says so."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Counts:
    """kind of fault → what it befell → how often. folder: where each process of the tests writes its own; may be absent."""

    folder: Path | None
    found: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, what: str, number: int = 1) -> None:
        self.found.setdefault(kind, Counter())[what] += number

    def write(self, name: str) -> None:
        if self.folder is not None:
            (self.folder / f"{name}.json").write_text(json.dumps(self.found), encoding="utf-8")
