"""The million pictures of `benchmarks.speed.million`, with less of them: every row is what detector and decoder give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.datasets.prepared import FOLDER_VARIABLE
from benchmarks.runfolder.scores import read_scores
from benchmarks.speed import million
from registry import Picture, View


def test_pictures_are_scored_from_their_names_and_notes_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("MILLION_NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("MILLION_EVERY", "20")
    monkeypatch.setattr(million, "_FOLDER", 7)
    million.prepare(60, 2, tmp_path / "pictures")
    million.run(million.settings_of(tmp_path / "run", batch_size=8, workers=0, bootstrap=0))

    rows = read_scores(tmp_path / "run")
    assert rows["dataset"].value_counts().to_dict() == {
        "diffusion/generator_00": 30,
        "diffusion/generator_01": 30,
    }
    assert sorted(rows["label"]) == [0] * 30 + [1] * 30
    detector = million.Brightness().eval()
    monkeypatch.setattr(detector, "_note", lambda: None)
    for path, label, logit in rows[["path", "label", "logit"]].itertuples(index=False):
        picture = million.made_picture(Picture(path, label))
        expected = detector({"picture": View()(picture)[None]})
        assert logit == pytest.approx(float(expected), abs=1e-4)
    assert torch.unique(torch.tensor(rows["logit"].to_numpy())).numel() == 60
    notes = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert [note["pictures"] for note in notes] == [0, 24, 46]
    assert all(note["memory"] > 2**20 for note in notes)
    processor, peak = capsys.readouterr().out.split()[-2:]
    assert float(processor) > 0
    assert int(peak) > 2**20
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert all(cell["metrics"]["auroc"] > 0.6 for cell in metrics["cells"])
