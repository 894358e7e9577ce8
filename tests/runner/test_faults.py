"""Pictures, folders and disks as they are in practice: what failed is a named row, the rest is unharmed."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import get_worker_info

from benchmarks.runfolder.scores import read_scores
from tests.pictures import make_class_folders, make_picture
from tests.runner.test_run import cell_of, common


def write_hostile(folder: Path) -> None:
    """Every kind of file that has ended somebody's evaluation."""
    whole = folder / "whole.jpg"
    make_picture(1, 0, (200, 160)).save(whole, quality=95)
    (folder / "truncated.jpg").write_bytes(whole.read_bytes()[:2000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("this is no picture")
    bomb = Image.new("1", (20_000, 20_000))
    bomb.save(folder / "bomb.png")
    make_picture(2, 0).convert("CMYK").save(folder / "cmyk.jpg")
    grey = (np.arange(48 * 40, dtype=np.uint16).reshape(40, 48) * 30).astype(np.uint16)
    Image.fromarray(grey).save(folder / "deep.png")
    frames = [make_picture(seed, 0) for seed in (3, 4)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    make_picture(5, 0).save(folder / "Übermaß · 図 .with.dots.png")


FAILS = {"truncated.jpg", "empty.png", "text.png", "bomb.png"}


def test_hostile_files_are_scored_or_named(invoke, tmp_path):
    folder = tmp_path / "data" / "VAR"
    make_class_folders(folder)
    assert invoke(*common(tmp_path / "data", tmp_path / "clean")).code == 0
    write_hostile(folder / "0_real")

    result = invoke(*common(tmp_path / "data", tmp_path / "run"))

    assert result.code == 1
    rows = read_scores(tmp_path / "run").set_index("path")
    failed = {Path(path).name for path in rows.index[rows["error"].notna()]}
    assert failed == FAILS
    for name in FAILS:
        assert name in result.err
    assert "pixels" in rows.loc["VAR/0_real/bomb.png", "error"]
    before = read_scores(tmp_path / "clean").set_index("path")["logit"]
    np.testing.assert_allclose(rows.loc[before.index, "logit"], before, atol=1e-5)
    cell = cell_of(tmp_path / "run", dataset="VAR")
    assert (cell["status"], cell["n_error"], cell["n_real"], cell["n_fake"]) == ("partial", 4, 12, 6)


def test_a_full_disk_keeps_what_was_written(invoke, tmp_path, monkeypatch):
    from benchmarks.runfolder import writer

    make_class_folders(tmp_path / "data" / "VAR")
    make_class_folders(tmp_path / "data" / "RAR", seed=50)
    write_shard, written = writer.write_shard, []

    def fills_up(*arguments):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "run"))
        written.append(arguments)
        return write_shard(*arguments)

    monkeypatch.setattr(writer, "write_shard", fills_up)
    result = invoke(*common(tmp_path / "data", tmp_path / "run"))
    assert result.code == 1
    assert "No space left on device" in result.err
    assert "Traceback" not in result.err
    assert len(read_scores(tmp_path / "run")) == 12

    monkeypatch.undo()
    assert invoke(*common(tmp_path / "data", tmp_path / "run")).code == 0
    assert len(read_scores(tmp_path / "run")) == 24


def test_a_full_disk_at_the_first_write_is_no_wrong_request(invoke, tmp_path, monkeypatch):
    make_class_folders(tmp_path / "data" / "VAR", count=2)

    def full(path, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "touch", full)
    result = invoke(*common(tmp_path / "data", tmp_path / "run"))

    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "No space left on device" in result.err
    assert result.err.endswith("what was finished is kept, run the same command again\n")


def test_a_killed_decoding_process_is_one_line_and_loses_nothing(invoke, tmp_path, monkeypatch):
    from benchmarks.loading.samples import PreparedPictures

    make_class_folders(tmp_path / "data" / "VAR")
    decode = PreparedPictures.__getitem__

    def killed(self, index):
        if get_worker_info() is not None and index == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(self, index)

    monkeypatch.setattr(PreparedPictures, "__getitem__", killed)
    arguments = [*common(tmp_path / "data", tmp_path / "run"), "--batch-size", "4", "--workers", "1"]
    result = invoke(*arguments)

    assert result.code == 1
    assert "a process that decodes pictures was killed" in result.err
    assert "Traceback" not in result.err
    # the death may be told while an earlier batch is scored, which is then scored again
    assert len(read_scores(tmp_path / "run")) in (0, 4, 8)

    monkeypatch.undo()
    assert invoke(*arguments).code == 0
    assert len(read_scores(tmp_path / "run")) == 12


def test_wrong_checkpoints_are_refused_in_one_line(invoke, tmp_path):
    import pickle

    import torch

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    make_class_folders(tmp_path / "data" / "VAR")
    torch.save({"model": {"other": torch.ones(())}}, tmp_path / "missing.pth")
    torch.save({"model": {"weight": torch.ones(3)}}, tmp_path / "shape.pth")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": Evil()}))
    (tmp_path / "text.pth").write_text("weights")

    for name, said in (
        ("missing.pth", "1 missing: weight"),
        ("shape.pth", "weight (3,) instead of ()"),
        ("evil.pth", "refused"),
        ("text.pth", "text.pth"),
        ("absent.pth", "no such file"),
    ):
        result = invoke(
            *common(tmp_path / "data", tmp_path / "run", "learned"), "--weights", f"learned={tmp_path / name}"
        )
        assert result.code == 2, name
        assert said in result.err
        assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "executed").exists()
    assert not list((tmp_path / "run").rglob("*.parquet"))


def test_predict_names_what_it_could_not_score(invoke, tmp_path):
    from tests.runner.test_run import PLUGIN

    make_class_folders(tmp_path / "in", count=2)
    (tmp_path / "in" / "broken.png").write_text("no picture")
    arguments = ["--plugin", PLUGIN, "--detectors", "brightness"]

    as_json = invoke("predict", tmp_path / "in", *arguments, "--format", "json")
    as_csv = invoke(
        "predict", f"{tmp_path}/in/**/*.v1.png", *arguments, "--format", "csv", "--out", tmp_path / "o.csv"
    )
    as_table = invoke("predict", tmp_path / "in" / "broken.png", *arguments)
    nothing = invoke("predict", tmp_path / "nowhere", *arguments)

    assert as_json.code == 1
    rows = json.loads(as_json.out)
    assert [row["error"] is None for row in rows].count(False) == 1
    assert all(0 <= row["score"] <= 1 for row in rows if row["error"] is None)
    assert as_csv.code == 0
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 5
    assert as_table.code == 1
    assert "not a picture" in as_table.out
    assert nothing.code == 2


@pytest.mark.parametrize("arguments", [["report", "nowhere"], ["report"]])
def test_report_of_no_run(invoke, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)

    result = invoke(*arguments)

    assert result.code == 2
    assert "Traceback" not in result.err
