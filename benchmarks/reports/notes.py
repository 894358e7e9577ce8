"""Marks in a table and the footnotes that explain them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.reports.board import Board, BoardEntry, BoardRow, Column

UNTRAINED, PARTIAL, FAILED, UNDEFINED, TIED, OWN, ABSENT = "†", "‡", "✗", "–", "≈", "◇", ""
NO_INTERVAL, UNMEASURED = "°", "?"
"""Of intervals, where they are shown."""
SPREAD = "±"
UNTESTED = "No difference was tested here, so nothing is marked as best"
_ORDER = [PARTIAL, FAILED, UNDEFINED]

LEGEND = {
    UNTRAINED: "untrained: random weights",
    PARTIAL: "partial: not every picture has a score",
    FAILED: "failed: no picture has a score",
    UNDEFINED: "undefined",
    OWN: "white box on its own generator; without a rank in means",
    TIED: "not significantly different from the best of its rank (p ≥ 0.05, Holm-corrected)",
    SPREAD: "mean and standard deviation over trainings by several random seeds, lowest to highest; intervals and tests "
    "count both seeds and pictures (Obuchowski and Rockette, 1995)",
}
"""What each mark means; what carries one of the first four is never ranked."""


def mark(entry: BoardEntry | None) -> str:
    """The mark of one entry, empty for a plain number and where a run has no such cell."""
    if entry is None:
        return ABSENT
    if entry.failed:
        return FAILED
    if entry.partial:
        return PARTIAL
    if entry.value is None:
        return UNDEFINED
    if entry.own:
        return OWN
    return TIED if entry.tied and entry.place in (1, 2) else ""


def interval_mark(entry: BoardEntry | None) -> str:
    """The mark of an entry's interval, empty for one whose coverage is known and where none was asked for."""
    if entry is None or entry.value is None:
        return ABSENT
    return NO_INTERVAL if entry.no_interval else "" if entry.measured else UNMEASURED


def interval_notes(board: Board) -> list[tuple[str, str]]:
    """(mark, text): how the intervals of a board are made, why some are missing, and whether their coverage is known."""
    entries = board.entries.values()
    marked = {
        (UNMEASURED, f"{entry.way}; its coverage was not measured") for entry in entries if not entry.measured
    } | {
        (NO_INTERVAL, f"no interval: {why}")
        for why in _folded({e.no_interval for e in entries if e.no_interval})
    }
    known = {entry.way for entry in entries if entry.way and entry.measured}
    return [*(("", f"Intervals: {way}.") for way in sorted(known)), *sorted(marked)]


def _folded(reasons: set[str]) -> Iterator[str]:
    """Reasons once that differ in the count they begin with alone; those of a mean of which all sets have it are theirs."""
    counts: dict[str, set[int]] = defaultdict(set)
    for reason in reasons:
        reason = re.sub(r" \(on (\d+) of \1 test sets\)$", "", reason)
        what = reason.lstrip("0123456789")
        counts[what] |= {int(count) for count in [reason.removesuffix(what)] if count}
    for what, found in counts.items():
        yield " to ".join(dict.fromkeys(str(end(found)) for end in (min, max) if found)) + what


def notes(board: Board) -> list[tuple[str, str]]:
    """(mark, text): what is untrained, and why test sets carry a mark, equal reasons named once."""
    found = [
        (UNTRAINED, f"{row.label}: {', '.join(row.parts) or 'weights'} untrained")
        for row in board.rows
        if row.untrained
    ]
    if any(len(row.seeds) > 1 for row in board.rows):
        single = [row.label for row in board.rows if len(row.seeds) < 2 and not row.untrained]
        if single:
            found.append((SPREAD, f"{', '.join(single)}: one training, so no spread over seeds"))
    where: dict[tuple[str, str, str], list[str]] = {}
    for row in board.rows:
        for column in board.columns:
            entry = board.entries.get((row, column))
            sign = mark(entry)
            if entry and sign in _ORDER and not column.is_mean:
                where.setdefault((sign, row.label, entry.reason), []).append(f"{column.group} {column.label}")
    for (sign, label, reason), places in sorted(where.items(), key=lambda item: _ORDER.index(item[0][0])):
        found.append((sign, f"{label} on {', '.join(places)}: {reason}"))
    return found


def legend(boards: Sequence[Board]) -> list[tuple[str, str]]:
    """(mark, meaning) of the marks that the boards carry."""
    used = {mark(entry) for board in boards for entry in board.entries.values()}
    used |= {SPREAD for board in boards for entry in board.entries.values() if entry.spread}
    used |= {UNTRAINED for board in boards for row in board.rows if row.untrained}
    return [(sign, meaning) for sign, meaning in LEGEND.items() if sign in used]


def what_was_tested(board: Board) -> str:
    """By which test the marks of a board are, on how many columns, and what is unmarked for want of one.

    Empty where nothing is ranked.
    """
    ranked = {column: entries for column in board.shown if (entries := _ranked(board, column))}
    if not ranked:
        return ""
    if not any(entry.test for entries in ranked.values() for entry in entries):
        return UNTESTED
    columns = Counter(
        (test, column.is_mean)
        for column, entries in ranked.items()
        for test in {entry.test for entry in entries if entry.test}
    )
    tests = dict.fromkeys(test for test, _ in columns)
    by = ", ".join(
        f"{test} on {_some({mean: number for (name, mean), number in columns.items() if name == test})}"
        for test in tests
    )
    missing = Counter(
        column.is_mean for column, entries in ranked.items() if not all(entry.test for entry in entries)
    )
    return f"Tested by {by}" + (
        f"; what no test decides, on {_some(missing)}, is unmarked" if missing else ""
    )


def _ranked(board: Board, column: Column) -> list[BoardEntry]:
    entries = (board.entries.get((row, column)) for row in board.rows)
    return [entry for entry in entries if entry and entry.rank]


def _some(columns: Mapping[bool, int]) -> str:
    """How many test sets (False) and means (True)."""
    names = {False: "test set", True: "mean"}
    return " and ".join(f"{n} {names[mean]}{'s' if n > 1 else ''}" for mean, n in sorted(columns.items()))


def training_sets(boards: Sequence[Board]) -> list[tuple[str, list[BoardRow]]]:
    """What detectors were trained on, and which of them: every row of the boards once."""
    found: dict[str, list[BoardRow]] = {}
    for row in dict.fromkeys(row for board in boards for row in board.rows):
        found.setdefault(row.trained_on, []).append(row)
    return list(found.items())
