"""A bit that the disk has changed is noticed: Parquet's pages carry checksums, and they are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.runfolder.scores import Cell, read_cell, write_shard
from registry import UserError

CELL = Cell("one", "VAR", "none")


def test_a_changed_bit_is_an_error_and_no_other_score(tmp_path: Path) -> None:
    rows = [
        {"path": f"{number:03}.png", "label": 0, "logit": 0.25 + number, "score": 0.5} for number in range(99)
    ]
    file = write_shard(tmp_path, CELL, rows)
    expected, content = read_cell(tmp_path, CELL), file.read_bytes()
    refused = 0
    for at in range(4, len(content), 37):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            found = read_cell(tmp_path, CELL)
        except UserError as error:
            refused += str(file) in str(error)
        else:  # what says nothing of the scores, such as the name of the program that wrote the file
            assert found.equals(expected), at
    assert refused > 20


def test_files_without_checksums_are_read_as_before(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = [{"path": "a.png", "label": 1, "logit": 2.0, "score": 0.9}]
    file = write_shard(tmp_path, CELL, rows)
    expected = read_cell(tmp_path, CELL)
    pq.write_table(pq.ParquetFile(file).read(), file)
    assert read_cell(tmp_path, CELL).equals(expected)
    file.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read as scores"):
        read_cell(tmp_path, CELL)
