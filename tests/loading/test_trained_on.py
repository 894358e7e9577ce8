"""What is said of the pictures that weights were trained on: never the card's word on other weights."""

from __future__ import annotations

import csv
import hashlib
import html
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.loading.trained_on import UNKNOWN, trained_on
from registry import DetectorCard, PublishedWeights, load_plugins
from registry.weights import read_training, weights_file, write_training
from tests.conftest import Invoke
from tests.pictures import make_class_folders
from tests.training.conftest import write_config
from tests.training.toy import write_pictures

TRAINING = {
    "trained_on": {
        "fingerprint": "ab" * 32, "real": 30, "fake": 20, "sets": [
            {"name": "AR/VAR", "paradigm": "AR", "generator": "VAR", "real": 10, "fake": 10, "prepare": "", "fingerprint": "cd" * 32},
            {"name": "train", "paradigm": "GAN", "generator": "ProGAN", "real": 20, "fake": 10, "prepare": "", "fingerprint": "ef" * 32},
        ],
    },
    "weights": {"detector": None, "start": None, "encoders": {}},
}  # fmt: skip
IN_WORDS = "AR/VAR and train (ProGAN, GAN): 30 real, 20 generated, data #abababab"


def plain(path: Path, value: float = 0.0) -> Path:
    save_file({"weight": torch.full((2,), value)}, path)
    return path


def card(*weights: PublishedWeights, **facts: Any) -> DetectorCard:
    return DetectorCard(trained_on="the published set", weights=weights, **facts)


def said(published: DetectorCard, file: Path | None) -> str:
    return trained_on(published, weights_file(file) if file else None).text


def test_the_card_speaks_of_published_digests_alone(tmp_path: Path) -> None:
    file, other = plain(tmp_path / "file.safetensors"), plain(tmp_path / "other.safetensors", 1)
    digest = weights_file(file).sha256
    one = PublishedWeights("https://x", "file.safetensors", sha256=digest[:8])
    assert said(card(one), file) == "the published set"
    assert said(card(one), shutil.copy(other, tmp_path / "sub.safetensors")) == UNKNOWN
    # of the published name, but with another digest than the published one
    (tmp_path / "elsewhere").mkdir()
    assert said(card(one), shutil.copy(other, tmp_path / "elsewhere" / "file.safetensors")) == UNKNOWN
    several = PublishedWeights(
        "https://x", "two", sha256=weights_file(other).sha256, trained_on="another set"
    )
    assert said(card(one, several), other) == "another set"


def test_a_shipped_file_is_known_by_its_contents(tmp_path: Path) -> None:
    entry = load_plugins(environ={"D3QE_BENCH_PLUGINS": "baselines"}).detectors.entry("univfd_mini")
    from benchmarks.loading.locate import stored

    shipped = stored("univfd_mini", entry.card.weights[0])
    assert said(entry.card, shutil.copy(shipped, tmp_path / "copy.safetensors")) == entry.card.trained_on
    assert said(entry.card, plain(tmp_path / "univfd_mini.safetensors")) != entry.card.trained_on


def test_a_published_name_without_a_digest_is_only_an_if(tmp_path: Path) -> None:
    file = plain(tmp_path / "best.safetensors")
    one = PublishedWeights("https://x", "folder/best.safetensors")
    assert said(card(one), file) == (
        "the published set, if this is best.safetensors as published (no digest is on record)"
    )
    assert said(card(one), plain(tmp_path / "mine.safetensors")) == UNKNOWN


def test_detectors_without_a_file() -> None:
    assert said(card(needs_weights=False), None) == "the published set"
    assert said(DetectorCard(needs_weights=False), None) == UNKNOWN
    assert said(card(PublishedWeights("https://x", "y")), None) == "nothing: random weights"


def test_what_the_training_wrote_travels_in_the_file(tmp_path: Path) -> None:
    file = plain(tmp_path / "best.safetensors")
    before = load_file(file)
    write_training(file, TRAINING)
    assert read_training(file) == TRAINING
    assert all(torch.equal(value, load_file(file)[name]) for name, value in before.items())
    copied = Path(shutil.copy(file, tmp_path / "renamed.safetensors"))
    found = trained_on(card(), weights_file(copied))
    assert found.text == IN_WORDS
    assert found.training == TRAINING["trained_on"]


def test_a_note_beside_the_file_holds_for_that_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "best.pth"
    torch.save({"model": {}}, file)
    note = {"training": {**TRAINING, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
    (tmp_path / "best.json").write_text(json.dumps(note), encoding="utf-8")
    assert said(card(), file) == IN_WORDS
    torch.save({"model": {"other": torch.zeros(1)}}, file)
    assert said(card(), file) == UNKNOWN
    for broken in ("[1]", "no json", '{"training": 3}', '{"training": {"sha256": 1}}'):
        (tmp_path / "best.json").write_text(broken, encoding="utf-8")
        assert said(card(), file) == UNKNOWN


@pytest.mark.parametrize("broken", [None, 3, {}, {"trained_on": {"sets": "x"}}])
def test_a_broken_note_in_the_file_is_none(tmp_path: Path, broken: Any) -> None:
    file = plain(tmp_path / "best.safetensors")
    write_training(file, broken)
    assert said(card(), file) == UNKNOWN


def test_where_a_training_began_is_part_of_it(tmp_path: Path) -> None:
    file = plain(tmp_path / "best.safetensors")
    begun = "12" * 32
    write_training(file, {**TRAINING, "weights": {"detector": begun}})
    assert said(card(), file) == f"{IN_WORDS}; begun from weights #12121212 (trained on unknown)"
    known = PublishedWeights("https://x", "y", sha256=begun)
    assert said(card(known), file).endswith("; begun from weights #12121212 (trained on the published set)")


def test_retrained_weights_are_said_to_be_so_everywhere(invoke: Invoke, tmp_path: Path) -> None:
    """`univfd_mini`, whose card says `mini benchmark, raster generator`, retrained on other pictures."""
    training_set = write_pictures(tmp_path / "pictures" / "toy set", 12)
    detector = {"name": "univfd_mini"}
    config = write_config(tmp_path, training_set, training_set, detector=detector, epochs=1, plugins=[])
    assert invoke("train", config).code == 0
    # away from its note: the file itself tells
    weights = shutil.copy(tmp_path / "out/best.safetensors", tmp_path / "mine.safetensors")
    make_class_folders(tmp_path / "data", count=4)
    done = invoke(
        "run", "--data", tmp_path / "data", "--detectors", "again=univfd_mini,univfd_mini",
        "--weights", f"again={weights}", "--bootstrap", 0, "--out", tmp_path / "run", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))["detectors"]
    own = json.loads((tmp_path / "out/train.json").read_text(encoding="utf-8"))["trained_on"]
    assert record["again"]["training"] == own
    assert record["again"]["trained_on"] == (
        f"{training_set.root.name}: 12 real, 12 generated, data #{own['fingerprint'][:8]}"
    )
    shipped = "mini benchmark, raster generator"
    assert (record["univfd_mini"]["trained_on"], record["univfd_mini"]["training"]) == (shipped, None)
    assert "trained_on" not in record["again"]["card"]

    told = record["again"]["trained_on"]
    said_in = {
        kind: (tmp_path / f"run/leaderboard.{kind}").read_text(encoding="utf-8")
        for kind in ("md", "tex", "html")
    }
    assert f"| {told.replace('#', chr(92) + '#')} | again |" in said_in["md"]
    assert f"| {shipped} | univfd_mini |" in said_in["md"]
    assert f"again & {told.replace('#', chr(92) + '#')} " in said_in["tex"]
    assert f"<td>{html.escape(told)}</td>" in said_in["html"]
    with open(tmp_path / "run/leaderboard.csv", encoding="utf-8") as stream:
        lines = {(line["detector"], line["trained_on"]) for line in csv.DictReader(stream)}
    assert lines == {("again", told), ("univfd_mini", shipped)}
    assert f"Trained on {told}: again" in " ".join(done.out.split())

    assert invoke("submit", tmp_path / "run", "--out", tmp_path / "rows").code == 0
    row = json.loads((tmp_path / "rows/again.json").read_text(encoding="utf-8"))
    assert (row["facts"]["trained_on"], row["facts"]["training"]) == (told, own)
    assert invoke("submit", tmp_path / "run", "--check", tmp_path / "rows/again.json").code == 0
    board = invoke("report", tmp_path / "rows", "--out", tmp_path / "site")
    assert f"Trained on {told}: again" in " ".join(board.out.split())


def test_every_card_says_what_its_weights_have_learned_from() -> None:
    for entry in load_plugins(environ={"D3QE_BENCH_PLUGINS": "baselines,d3qe,benchmarks"}).detectors:
        assert entry.card.trained_on, entry.name
