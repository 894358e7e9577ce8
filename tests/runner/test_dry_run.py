"""`run --dry-run` says what a run then does: counted against real runs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.commands.dry_run import roughly
from benchmarks.mini.encoders import MiniImageEncoder, MiniTokenizer
from benchmarks.runfolder.scores import read_scores
from benchmarks.runner import forecast
from tests.runner.test_run import PLUGIN, common, data  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "SECONDS", 0.05)


def said(text: str, pattern: str) -> list[int]:
    found = re.search(pattern, text)
    assert found, text
    return [int(number.replace(",", "")) for number in found.groups()]


def mini(out: Path, *more: str) -> list[str]:
    detectors = "d3qe_mini,univfd_mini,random_score"
    chosen = ["--detectors", detectors, "--limit", "2", "--bootstrap", "0", "--out", str(out)]
    return ["run", "--data", "mini", "--generators", "raster,GAN", *chosen, *more]


def test_what_is_forecast_is_what_the_run_does(invoke, tmp_path, monkeypatch):
    passes: Counter[str] = Counter()
    for kind, name in ((MiniTokenizer, "mini-vq4"), (MiniImageEncoder, "mini-image-encoder")):

        def counting(self, images, outputs, forward=kind.forward, name=name):
            passes[name] += len(images)
            return forward(self, images, outputs)

        monkeypatch.setattr(kind, "forward", counting)
    out = tmp_path / "run"
    before = invoke(*mini(out, "--perturb", "jpeg:75"), "--dry-run")
    assert before.code == 0, before.err
    assert not out.exists(), "a dry run leaves nothing"
    assert said(before.out, r"to score: (\d+) pictures × (\d+) conditions × (\d+) detectors") == [8, 2, 3]
    assert "to fetch: nothing" in before.out
    assert re.search(r"time: about .* pictures a second under all conditions \(measured on cpu, ", before.out)
    forecast_passes = {
        name: said(before.out, rf"encoder passes of {name}: at most (\d+)")[0] for name in passes
    }
    assert len(forecast_passes) == 2

    passes.clear()
    assert invoke(*mini(out)).code == 0
    clean = dict(passes)
    half = invoke(*mini(out, "--perturb", "jpeg:75"), "--dry-run")
    assert said(half.out, r"scored already: (\d+) of (\d+) rows") == [24, 48]
    passes.clear()
    assert invoke(*mini(out, "--perturb", "jpeg:75")).code == 0
    assert {name: clean[name] + passes[name] for name in passes} == forecast_passes

    done = invoke(*mini(out, "--perturb", "jpeg:75"), "--dry-run")
    assert "to score: 0 pictures" in done.out
    assert "time: nothing is left to be scored" in done.out


def test_what_is_not_here_is_counted_as_published(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("D3QE_BENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    detectors = ["--plugin", PLUGIN, "--detectors", "fredect,learned,random_score"]
    found = invoke("run", "--data", "ARForensics", "--generators", "VAR,janus-pro", *detectors, "--dry-run")
    assert found.code == 0, found.err
    assert said(found.out, r"to score: ([\d,]+) pictures × (\d+) condition × (\d+) detectors") == [
        24_000,
        1,
        3,
    ]
    for line in (
        r"to fetch: 56\.9 GB and 4 of unknown size",
        r"ARForensics +56\.9 GB \(56,900,000,000 bytes\) +d3qe-bench data get ARForensics",
        r"weights of fredect, DCTAnalysis\.pth +size unknown +d3qe-bench weights get fredect",
        r"weights of learned +size unknown +none published: --weights learned=PATH",
        r"here: nothing yet",
        r"made pictures of 512×512 px",
    ):
        assert re.search(line, found.out), (line, found.out)
    limited = ["--limit", "100", "--detectors", "random_score", "--dry-run"]
    assert "to score: 1,400 pictures" in invoke("run", "--data", "ARForensics", *limited).out
    by_hand = invoke("run", "--data", "GenImage", "--detectors", "random_score", "--dry-run").out
    assert "by hand at https://github.com/GenImage-Dataset" in by_hand
    assert "and GenImage, whose size is not stated" in by_hand


def test_a_wrong_request_is_refused_as_a_run_refuses_it(invoke, tmp_path, data):  # noqa: F811
    assert "unknown detector 'brightnes'" in invoke(*common(data, tmp_path, "brightnes"), "--dry-run").err
    refused = invoke(*common(data, tmp_path), "--generators", "sharp", "--dry-run")
    assert (refused.code, "no test set has a generator 'sharp'" in refused.err) == (2, True)


def test_a_detector_that_cannot_be_built_is_named(invoke, tmp_path, data):  # noqa: F811
    found = invoke(*common(data, tmp_path / "run", "brightness,unbuildable"), "--dry-run")
    assert found.code == 0
    assert "cannot be built: unbuildable: RuntimeError: no such luck" in found.out


def test_only_the_generators_asked_for_are_scored(invoke, tmp_path, data):  # noqa: F811
    found = invoke(*common(data, tmp_path / "run"), "--generators", "pro-gan,ADM")
    assert found.code == 0, found.err
    assert set(read_scores(tmp_path / "run")["dataset"]) == {"GAN/ProGAN", "diffusion/ADM"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (61, "1 min"),
        (3700, "1 h 1 min"),
        (90000, "1 day 1 h"),
        (2e6, "23 days 3 h"),
    ],
)
def test_times_in_words(seconds, words):
    assert roughly(seconds) == words


def test_conditions_of_suites_are_counted(invoke, tmp_path, data):  # noqa: F811
    own = tmp_path / "own.yaml"
    own.write_text("suites: {work: {summary: s, conditions: {messenger: 1, jpeg:75: 1}}}")
    command = [
        *common(data, tmp_path / "run"),
        "--perturb",
        "jpeg:75",
        "--suite",
        "work",
        "--conditions",
        str(own),
    ]
    forecast_of = invoke(*command, "--dry-run")
    assert forecast_of.code == 0, forecast_of.err
    assert said(forecast_of.out, r"to score: (\d+) pictures × (\d+) conditions") == [36, 3]
