"""An audit as a table on the terminal or as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console

from benchmarks.audits.duplicates import KINDS
from benchmarks.audits.report import (
    CONTENT,
    NOTHING,
    SHORTCUT,
    UNTESTED,
    VERDICTS,
    AuditReport,
    Finding,
    SetAudit,
)
from benchmarks.tables import print_table
from benchmarks.text import in_markdown, plain

_COLUMNS = ("test set", "cue", "AUROC", "p", "verdict", "real", "generated")
_STYLES = {SHORTCUT: "red", CONTENT: "yellow"}
_EXAMPLES = 3


def print_audit(report: AuditReport, console: Console) -> None:
    """The cues that tell the classes apart, duplicates, unreadable files and what it all means."""
    rows = [
        (finding.verdict, *cells[:-3], f"{finding.real}, generated {finding.fake}")
        for one, finding in _shown(report)
        if (cells := _cells(one, finding))
    ]
    if rows:
        console.print("What tells real from generated:", style="bold")
        print_table(rows, head=("verdict", *_COLUMNS[:-3], "real"), styles=_STYLES, console=console)
    for line in _lines(report):
        console.print(plain(line), markup=False, soft_wrap=True)


def to_markdown(report: AuditReport) -> str:
    """The same as a Markdown document."""
    rows = [_cells(one, finding) for one, finding in _shown(report)]
    table = [_COLUMNS, ("---",) * len(_COLUMNS), *rows] if rows else []
    lines = [
        "# Audit",
        "",
        *(
            f"| {' | '.join(row if number == 1 else map(in_markdown, row))} |"
            for number, row in enumerate(table)
        ),
        "",
    ]
    return "\n".join([*lines, *(f"- {in_markdown(line)}" for line in _lines(report))]) + "\n"


def _shown(report: AuditReport) -> Iterator[tuple[SetAudit, Finding]]:
    for one in report.sets:
        yield from ((one, finding) for verdict in _STYLES for finding in one.having(verdict))


def _cells(one: SetAudit, finding: Finding) -> tuple[str, ...]:
    numbers = (f"{finding.auroc:.3f}", f"{finding.p_value:.2g}")
    return (one.name, finding.cue, *numbers, finding.verdict, finding.real, finding.fake)


def _lines(report: AuditReport) -> Iterator[str]:
    pictures = sum(one.n_real + one.n_fake for one in report.sets)
    counts = Counter(finding.verdict for one in report.sets for finding in one.findings)
    yield (
        f"{pictures} pictures in {len(report.sets)} test sets: {counts[SHORTCUT]} shortcuts, {counts[CONTENT]} "
        f"differences that follow from content, {counts[NOTHING]} cues without a difference, "
        f"{counts[UNTESTED]} not tested"
    )
    clean = [one.name for one in report.sets if not one.having(SHORTCUT)]
    if clean:
        yield f"no shortcut found in: {', '.join(clean)}"
    for verdict in _STYLES:
        if counts[verdict]:
            yield f"{verdict}: {VERDICTS[verdict]}"
    yield (
        f"AUROC is cross-validated; p is adjusted for all cues and sets ({report.permutations} permutations, seed "
        f"{report.seed}): a false shortcut anywhere has a chance of at most {report.level:.0%}"
    )
    yield from report.notes
    yield from _duplicates(report)
    for path, reason in report.unreadable:
        yield f"cannot be read: {path}: {reason}"


def _duplicates(report: AuditReport) -> Iterator[str]:
    for kind in KINDS:
        for exact in (True, False):
            twins = [twin for twin in report.twins if twin.where == kind and twin.exact == exact]
            if not twins:
                continue
            examples = "; ".join(f"{twin.first.path} = {twin.second.path}" for twin in twins[:_EXAMPLES])
            more = f"; {len(twins) - _EXAMPLES} more" if len(twins) > _EXAMPLES else ""
            yield f"{len(twins)} {'exact' if exact else 'near'} duplicates {kind}: {examples}{more}"
    if not report.twins:
        yield "no duplicates"
