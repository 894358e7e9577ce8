"""Tables that can be read in a narrow terminal and searched in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from benchmarks.text import plain

_GAP = 2
_READABLE = 36
"""Characters that the last column needs: below it, a text would stand in slivers."""


def print_table(
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] = (),
    styles: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> None:
    """Print rows of texts; the last cell of a row is the longest.

    On a terminal the last column is wrapped between words, and begins a line of its own where little room is left for
    it. Elsewhere a row is a line, however long it is.

    styles: cell of the first column → rich style.
    """
    console = console or Console()
    found = [tuple(map(plain, row)) for row in rows]
    table = [tuple(map(plain, head)), *found] if head else found
    widths = (
        [max(len(row[column]) for row in table) + _GAP for column in range(len(table[0]) - 1)]
        if table
        else []
    )
    longest = max((len(row[-1]) for row in table), default=0)
    room = console.width - sum(widths) if console.is_terminal else max(longest, _READABLE)
    beside = room >= min(longest, _READABLE)
    for number, row in enumerate(table):
        first = "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        style = "bold" if head and number == 0 else (styles or {}).get(row[0], "")
        for line in _lines(first, row[-1], room if beside else console.width - _GAP, beside):
            text = Text(line)
            text.stylize(style, 0, None if head and number == 0 else len(row[0]))
            console.print(text, soft_wrap=True)


def _lines(first: str, last: str, room: int, beside: bool) -> list[str]:
    """A row as lines: the last cell beside the others, or below them."""
    wrapped = textwrap.wrap(last, max(room, _READABLE), break_long_words=False, break_on_hyphens=False)
    if not beside:
        return [first.rstrip(), *(" " * _GAP + line for line in wrapped)]
    indents = [first, *[" " * len(first)] * len(wrapped)]
    return [(before + line).rstrip() for before, line in zip(indents, wrapped or [""], strict=False)]
