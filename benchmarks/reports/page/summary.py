"""What a newcomer wants of a page in ten seconds: who is best at what, how sure that is, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.metrics.cell import COMPLETE
from benchmarks.metrics.means import ALL
from benchmarks.reports.board import DIGITS, Board, BoardEntry, BoardRow, Column
from benchmarks.reports.load import Run
from benchmarks.runfolder.scores import CLEAN

NAMED = 3
"""Most detectors that a sentence names."""


@dataclass(frozen=True)
class Winner:
    """The best detector over some test sets. title: which; value: with its interval where there is one.

    sure: what the tests say of its lead. cost: its pictures per second and on what, where that was measured.
    """

    title: str
    detector: str
    value: str
    sure: str
    cost: str


def winners(runs: Sequence[Run], boards: Sequence[Board]) -> tuple[str, list[Winner]]:
    """In the first metric on clean pictures, or the first pictures there are: what was measured, and the best over all test sets and in each paradigm."""
    board = next((one for one in boards if one.perturbation == CLEAN), next(iter(boards), None))
    if board is None:
        return "", []
    said = "clean pictures" if board.perturbation == CLEAN else board.perturbation
    what = f"{board.metric}, {'higher' if board.higher_is_better else 'lower'} is better, {said}"
    first = sorted(board.summary, key=lambda column: column.group != ALL)
    return what, list(_winners({run.label: run for run in runs}, board, first))


def _winners(runs: dict[str, Run], board: Board, columns: Sequence[Column]) -> Iterator[Winner]:
    for column in columns:
        entries = [
            (row, entry) for row in board.rows if (entry := board.entries.get((row, column))) is not None
        ]
        whole = [
            (row, entry)
            for row, entry in entries
            if entry.status == COMPLETE
            and entry.value is not None
            and not row.untrained
            and not row.white_box_for
        ]
        title = f"{'All test sets' if column.group == ALL else column.group}: {column.label}"
        if not whole:
            yield Winner(title, "–", "", "No trained detector scored every picture.", "")
            continue
        sign = -1 if board.higher_is_better else 1
        row, best = min(whole, key=lambda one: sign * (one[1].value or 0.0))
        yield Winner(title, row.label, _value(best), _sure(row, best, whole), _cost(runs[row.run], row))


def _value(entry: BoardEntry) -> str:
    text = f"{entry.value:.{DIGITS}f}"
    return text if entry.low is None else f"{text} [{entry.low:.{DIGITS}f}, {entry.high:.{DIGITS}f}]"


def _sure(row: BoardRow, best: BoardEntry, whole: Sequence[tuple[BoardRow, BoardEntry]]) -> str:
    others = [(other, entry) for other, entry in whole if other != row]
    if not others:
        return "Nothing to compare it with: no other trained detector scored every picture."
    same = [other.label for other, entry in others if entry.rank == best.rank]
    if not best.test or not all(entry.test for _, entry in others):
        return "How sure its lead is was not tested."
    if same:
        more = f" and {len(same) - NAMED} more" if len(same) > NAMED else ""
        return f"Not significantly better than {', '.join(same[:NAMED])}{more} ({best.test})."
    all_others = f"all {len(others)} others" if len(others) > 1 else others[0][0].label
    return f"Significantly better than {all_others} ({best.test})."


def _cost(run: Run, row: BoardRow) -> str:
    cost = run.facts(row.detector).cost
    return f"{cost.pictures_per_second:.3g} pictures/s on {cost.device_name or cost.device}" if cost else ""
