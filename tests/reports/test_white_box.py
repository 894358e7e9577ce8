"""A white box is marked on its own generator's set and keeps out of ranks over several."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.reports.board import Board, BoardEntry, BoardRow, Column, Verdict, _rank
from benchmarks.reports.notes import OWN, legend, mark
from benchmarks.reports.statistics.mean_ranks import rank_board
from registry import load_plugins


def _board() -> Board:
    names = ("white", "one", "two")
    rows = [BoardRow("run", name, name, False) for name in names]
    rows[0] = replace(rows[0], white_box_for=("raster",))
    pictures = (frozenset({("a", "1")}), frozenset({("b", "1")}))
    columns = [Column("AR", "a", False, pictures[0]), Column("AR", "b", False, pictures[1])]
    columns.append(Column("AR", "mean of 2", True, pictures[0] | pictures[1]))
    board = Board("auroc", "none", True, columns, rows)
    for row, value in zip(rows, (0.9, 0.8, 0.7), strict=True):
        for column in columns:
            own = row.detector == "white" and column.label == "a"
            board.entries[row, column] = BoardEntry(value, None, None, "complete", "", own=own)
    for column in columns:
        _rank(board, column, lambda *_: Verdict("T", False))
    return board


def test_ranks_and_marks() -> None:
    board = _board()
    white, one, _ = board.rows
    on_own, elsewhere, mean = (board.entries[white, column] for column in board.columns)
    assert (on_own.rank, elsewhere.rank, mean.rank) == (1, 1, None)
    assert board.entries[one, board.columns[2]].rank == 1
    assert (mark(on_own), mark(elsewhere)) == (OWN, "")
    assert OWN in dict(legend([board]))
    assert rank_board(board).labels == ("one", "two")
    assert rank_board(board).left_out == ("white",)


def test_cards_name_the_generator() -> None:
    detectors = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).detectors
    white = {entry.name: entry.card.white_box_for for entry in detectors if entry.card.white_box_for}
    assert white["iar"] == ("LlamaGen",)
    assert white["iar_mini"] == ("raster",)
    assert white["prada_var_d30"] == ("VAR-d30", "VAR")
    assert not {name for name in white if not name.startswith(("iar", "prada", "aeroblade"))}


def test_every_mark_has_a_form_in_latex() -> None:
    from benchmarks.reports import latex
    from benchmarks.reports.notes import LEGEND

    assert set(LEGEND) <= set(latex._MARKS)
