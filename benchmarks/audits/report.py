"""What an audit found, and the rules by which it is called a problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.audits.duplicates import Twin

SCHEMA = 1

SHORTCUT, CONTENT, NOTHING, UNTESTED = "shortcut", "content", "none", "not tested"
VERDICTS = {
    SHORTCUT: "real and generated differ in a property of the files: a detector can win on it alone",
    CONTENT: (
        "the classes differ in a property that follows from what the pictures show: the generator's own "
        "colours, smoothness or grid, or other subjects in the two classes. No fault of the files by "
        "itself; an 8-pixel grid in one class may also be a JPEG past, which is one"
    ),
    NOTHING: "no difference beyond chance",
    UNTESTED: "too few pictures have this property",
}
FAULTS = ("train and test", "real and generated")
"""Relations of duplicates that make results wrong; the others only make sets smaller than they look."""


@dataclass(frozen=True)
class Finding:
    """One cue on one test set.

    auroc: cross-validated AUROC of real against generated from this cue alone; p_value: adjusted for
    all cues and all test sets; both None where not tested. real, fake: what each class is like.
    """

    cue: str
    verdict: str
    auroc: float | None
    p_value: float | None
    pictures: int
    real: str
    fake: str


@dataclass(frozen=True)
class SetAudit:
    """The findings on one test set. Counts are of readable pictures."""

    name: str
    n_real: int
    n_fake: int
    findings: tuple[Finding, ...]

    def having(self, verdict: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == verdict]


@dataclass(frozen=True)
class AuditReport:
    """A whole audit. level: the chance of one or more false shortcuts anywhere in it, at most."""

    level: float
    permutations: int
    seed: int
    sets: tuple[SetAudit, ...]
    twins: tuple[Twin, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def shortcuts(self) -> list[tuple[str, Finding]]:
        """(test set, finding) of every shortcut."""
        return [(one.name, finding) for one in self.sets for finding in one.having(SHORTCUT)]

    @property
    def faults(self) -> Iterator[Twin]:
        """Duplicates that make results wrong."""
        return (twin for twin in self.twins if twin.where in FAULTS)

    def exit_code(self, strict: bool = False) -> int:
        """1 if pictures could not be read or, when `strict`, anything wrong was found; else 0."""
        wrong = bool(self.shortcuts) or any(self.faults)
        return int(bool(self.unreadable) or (strict and wrong))

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a machine."""
        return {"schema": SCHEMA, **asdict(self)}
