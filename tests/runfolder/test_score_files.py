"""Score files of one cell: one row per picture, whatever shards it is in, and few rows that wait."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.runfolder import writer
from benchmarks.runfolder.scores import Cell, compact_cell, read_cell, read_rows, scored_paths, write_shard
from benchmarks.runfolder.writer import ShardWriter

CELL = Cell("it", "AR/VAR", "none")


def row(path: str, logit: float | None, error: str | None = None) -> dict[str, object]:
    score = None if logit is None else 0.5
    return {
        "paradigm": "AR", "generator": "VAR", "path": path, "label": 1, "logit": logit, "score": score, "error": error,
    }  # fmt: skip


def test_a_picture_counts_once_with_its_score_before_and_after_compaction(tmp_path: Path) -> None:
    write_shard(tmp_path, CELL, [row("é", None, "first"), row("b", 1.0), row("a", None, "late")], "1")
    write_shard(tmp_path, CELL, [row("z", 3.0), row("é", 2.0), row("b", 9.0), row("a", None, "later")], "2")
    expected = [("a", "late"), ("b", 1.0), ("z", 3.0), ("é", 2.0)]
    for _ in range(2):
        frame = read_cell(tmp_path, CELL)
        found = frame["error"].where(frame["error"].notna(), frame["logit"])
        assert [*zip(frame["path"], found, strict=True)] == expected
        rows = read_rows(tmp_path, CELL)
        assert [*rows.paths] == ["a", "b", "z", "é"]
        assert rows.errors == {0: "late"}
        assert rows.logits[1:].tolist() == [1.0, 3.0, 2.0]
        assert scored_paths(tmp_path, CELL) == {"b", "z", "é"}
        compact_cell(tmp_path, CELL)
        (file,) = CELL.folder(tmp_path).glob("*.parquet")
        assert pq.ParquetFile(file).metadata.num_rows == 4


def test_rows_that_come_fast_do_not_wait_for_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ROWS_WAITING", 10)
    monkeypatch.setattr(writer, "_WAITING_OF_A_CELL", 1)
    monkeypatch.setattr(writer, "ROWS_PER_SHARD", 10)
    rows = ShardWriter(tmp_path, flush_seconds=1e9)
    for number in range(25):
        rows.add(CELL, row(f"{number:02}", 0.0))
        rows.flush_if_due()
    assert len(read_cell(tmp_path, CELL)) == 20
    assert len([*CELL.folder(tmp_path).glob("*.parquet")]) == 2
    rows.end_test_set()
    assert len(read_cell(tmp_path, CELL)) == 25
