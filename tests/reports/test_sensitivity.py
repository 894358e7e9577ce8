"""How far a metric moves with the way of feeding: against independent computations, and the command on the mini sets."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.files import write_json
from benchmarks.loading import load_catalogs, open_session
from benchmarks.loading.feeds import add_feeds
from benchmarks.reports.failures.causes import study_failures
from benchmarks.reports.load import read_runs
from benchmarks.reports.sensitivity.chosen import choose
from benchmarks.reports.sensitivity.moved import make_sensitivity
from benchmarks.reports.sensitivity.shown import write
from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.scores import Cell
from registry import UserError, load_plugins
from tests.runs import Rows, dataset, detector, make_run, rows_of

SETS = {f"AR/{name}": dataset("AR", name, 100, 100) for name in ("VAR", "RAR", "LlamaGen")}
SHIFTS = {"one": 1.0, "one@crop": 1.0, "one@bicubic": 1.6, "one@size:128": 0.0}


def logits(name: str, test_set: str) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(200) % 2
    common = np.random.default_rng(len(test_set)).normal(0, 1, 200)
    own = np.random.default_rng(0 if name == "one@crop" else len(name)).normal(0, 0.3, 200)
    return labels, SHIFTS[name] * labels + common + (0 if name in ("one", "one@crop") else own)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def rows(cell: Cell) -> Rows:
        return rows_of(*logits(cell.detector, cell.dataset))

    detectors = {
        name: detector(**({"feed": name.partition("@")[2], "feed_of": "one"} if "@" in name else {}))
        for name in SHIFTS
    }
    detectors["one"]["feeds_left_out"] = {"whole": "the network takes no input of 77×96 px"}
    run = make_run(tmp_path_factory.mktemp("fed") / "run", detectors, SETS, rows)
    evaluate_run(run, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=200)
    return run


def test_values_ranges_and_corrections_are_those_of_other_libraries(folder: Path) -> None:
    (run,) = read_runs([folder])
    (found,) = make_sensitivity(run, "auroc").detectors
    auroc = {(name, test_set): roc_auc_score(*logits(name, test_set)) for name in SHIFTS for test_set in SETS}
    assert [row.feed for row in found.rows] == ["default", "crop", "bicubic", "size:128"]
    for row in found.rows:
        for test_set in SETS:
            assert row.sets[test_set].value == pytest.approx(auroc[row.label, test_set])
        assert row.mean.value == pytest.approx(np.mean([auroc[row.label, one] for one in SETS]))
    for test_set, extremes in found.sets.items():
        mine = {name: auroc[name, test_set] for name in SHIFTS}
        assert extremes.range == pytest.approx(max(mine.values()) - min(mine.values()))
        assert mine[f"one@{extremes.worst}"] == pytest.approx(min(mine.values()))
    default, crop, bicubic, small = found.rows
    assert crop.mean.same
    assert crop.mean.p is None  # there is nothing to test where no logit differs
    assert small.mean.difference is not None
    assert small.mean.high is not None
    assert small.mean.high < 0
    assert small.mean.significant
    # one family over all ways and test sets, one over all ways on the mean
    tested = [row.sets[test_set] for row in (bicubic, small) for test_set in SETS]
    expected = multipletests([one.p for one in tested], method="holm")[1]
    assert [one.p_holm for one in tested] == pytest.approx(list(expected))
    means = [bicubic.mean, small.mean]
    assert [one.p_holm for one in means] == pytest.approx(
        list(multipletests([one.p for one in means], method="holm")[1])
    )
    assert found.mean is not None
    assert (found.mean.worst, found.mean.compared) == ("size:128", 2)
    assert default.mean.difference == 0
    assert dict(found.left_out) == {"whole": "the network takes no input of 77×96 px"}


def test_leaderboards_leave_ways_out_and_say_so(folder: Path, tmp_path: Path) -> None:
    def rows(*more: str) -> tuple[set[str], str, str]:
        done = CliRunner().invoke(
            app, ["report", str(folder), "--metric", "auroc", "--out", str(tmp_path), *more]
        )
        assert done.exit_code == 0, done.output
        table = list(csv.DictReader((tmp_path / "leaderboard.csv").read_text().splitlines()))
        return {row["detector"] for row in table}, done.output, (tmp_path / "leaderboard.md").read_text()

    names, printed, text = rows()
    assert names == {"one"}
    for said in (printed, text):
        assert "one in 3" in " ".join(said.split())
        assert "one@" not in said
    names, printed, _ = rows("--ways")
    assert names == set(SHIFTS)
    assert "was fed in other ways" not in printed


def test_failures_and_timeline_compare_detectors_and_not_ways(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has one; 3 detectors fed in another way"):
        study_failures(folder)
    assert study_failures(folder, ["one", "one@bicubic"]).scored.detectors == ["one", "one@bicubic"]
    asked = ["timeline", str(folder), "--until", "2024-05", "--out", str(tmp_path)]
    for more, shown in (([], {"one"}), (["--until", "one@crop=2024-04"], {"one", "one@crop"})):
        done = CliRunner().invoke(app, [*asked, *more])
        assert done.exit_code == 0, done.output
        rows = csv.DictReader((tmp_path / "timeline.csv").read_text().splitlines())
        assert {row["detector"] for row in rows} == shown


def test_of_a_single_test_set_no_mean_is_shown(folder: Path, tmp_path: Path) -> None:
    (run,) = read_runs([folder])
    cells = [cell for cell in run.metrics["cells"] if cell["dataset"] == "AR/VAR"]
    found = make_sensitivity(replace(run, metrics={**run.metrics, "cells": cells}))
    written = {path.suffix: path.read_text() for path in write(found, [], "", tmp_path)}
    for kind in (".md", ".html", ".svg"):
        assert "AR/VAR" in written[kind]
        assert not re.search(
            r"\bmean\b",
            re.sub('<style>.*?</style>|<script>.*?</script>| data-csv=".*?"', "", written[kind], flags=re.S),
        )
    assert {row["dataset"] for row in csv.DictReader(written[".csv"].splitlines())} == {"AR/VAR", "mean"}


def test_equal_ways_are_called_by_the_default(folder: Path) -> None:
    (run,) = read_runs([folder])
    content = run.metrics | {
        "cells": [cell for cell in run.metrics["cells"] if cell["detector"] in ("one", "one@crop")]
    }
    (found,) = make_sensitivity(type(run)(run.label, content, run.record, run.folder)).detectors  # type: ignore[arg-type]
    assert {extremes.best for extremes in found.sets.values()} == {"default"}
    assert {extremes.range for extremes in found.sets.values()} == {0.0}


def test_a_way_chosen_on_one_set_is_measured_on_the_others_alone(folder: Path) -> None:
    (run,) = read_runs([folder])
    (chosen,) = choose(run, make_sensitivity(run), "AR/VAR")
    there = {name: roc_auc_score(*logits(name, "AR/VAR")) for name in SHIFTS}
    assert chosen.feed == max(there, key=lambda name: there[name]).partition("@")[2]
    assert chosen.on_chosen == pytest.approx(max(there.values()))
    others = [name for name in SETS if name != "AR/VAR"]
    means = [
        np.mean([roc_auc_score(*logits(name, one)) for one in others])
        for name in ("one", f"one@{chosen.feed}")
    ]
    assert (chosen.default, chosen.moved.value) == pytest.approx(tuple(means))
    assert chosen.moved.low is not None
    assert chosen.moved.high is not None
    assert chosen.moved.low < means[1] - means[0] < chosen.moved.high
    with pytest.raises(UserError, match="did you mean 'AR/VAR'"):
        choose(run, make_sensitivity(run), "AR/VRA")


def test_what_a_network_cannot_take_and_what_changes_nothing_is_named() -> None:
    session = open_session(detectors=["d3qe_mini", "univfd_mini"], catalogs=load_catalogs([]))
    add_feeds(
        session, ["bilinear", "whole", "resize:73", "resize:73+bilinear", "uniform", "input:ForenSynths"]
    )
    assert list(session.detectors) == ["d3qe_mini", "d3qe_mini@resize:73"] + [
        f"univfd_mini{end}" for end in ("", "@whole", "@resize:73")
    ]
    left_out = session.records["d3qe_mini"]["feeds_left_out"]
    assert left_out["bilinear"] == "the same as what it is fed by default"
    assert left_out["resize:73+bilinear"] == "the same as resize:73"
    assert left_out["uniform"] == "its protocols are original"
    assert left_out["input:ForenSynths"] == "it has no published inputs by name"
    assert left_out["whole"].startswith("the network takes no input of ")
    assert session.records["univfd_mini@whole"]["feed_of"] == "univfd_mini"
    assert list(session.records["univfd_mini@whole"]["card"]["reported"]) == []


def sensitivity(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["sensitivity", *map(str, arguments)])


def test_the_command_scores_each_way_once_and_draws_from_the_score_files(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = [
        "--data", "mini", "--generators", "raster,gan", "--limit", 12, "--detectors", "univfd_mini",
        "--feed", "size:32,whole,resize:73", "--bootstrap", 50, "--out", run,
    ]  # fmt: skip
    done = sensitivity(*asked)
    assert done.exit_code == 0, done.output
    assert "same logits" in done.output  # the whole of a picture of 64 pixels
    assert "no result of a detector" in done.output
    rows = list(csv.DictReader((run / "sensitivity.csv").read_text().splitlines()))
    assert {row["feed"] for row in rows} == {"default", "size:32", "whole", "resize:73"}
    content = json.loads((run / "sensitivity.json").read_text())
    assert content["detectors"][0]["sets"]["mini/raster"]["range"] > 0
    # what a person would get who resizes and cuts the pictures himself
    scores = pd.read_parquet(run / "scores")
    fed = scores[(scores["detector"] == "univfd_mini@resize:73") & (scores["dataset"] == "mini/gan")]
    plain = open_session(detectors=["univfd_mini"])
    from benchmarks.datasets import find_test_sets
    from benchmarks.pictures import open_member

    (gan,) = find_test_sets(plain.catalogs.datasets, ["mini"], generators=["gan"], limit=12)
    pictures = [open_member(gan, picture) for picture in gan.pictures[:6]]
    cut = [one.resize((73, 73), Image.Resampling.BILINEAR).crop((4, 4, 68, 68)) for one in pictures]
    by_hand = plain.score(cut)["logit"].to_numpy()
    logits = fed.set_index("path")["logit"].reindex([picture.path for picture in gan.pictures[:6]])
    assert logits.to_numpy() == pytest.approx(by_hand, abs=1e-5)
    # again: nothing is scored; from the folder alone: the same tables
    before = {file: file.stat().st_mtime_ns for file in run.glob("scores/*/*/*/*.parquet")}
    passes = json.loads((run / "run.json").read_text())["encoders"]
    assert sensitivity(*asked).exit_code == 0
    assert {file: file.stat().st_mtime_ns for file in run.glob("scores/*/*/*/*.parquet")} == before
    assert json.loads((run / "run.json").read_text())["encoders"] == passes
    elsewhere = sensitivity(run, "--out", tmp_path / "shown", "--validation", "mini/raster")
    assert elsewhere.exit_code == 0, elsewhere.output
    assert (tmp_path / "shown" / "sensitivity.csv").read_text() == (run / "sensitivity.csv").read_text()
    assert "Chosen on mini/raster" in (tmp_path / "shown" / "sensitivity.md").read_text()
    page = (tmp_path / "shown" / "sensitivity.html").read_text()
    assert "<svg" in page
    assert "Chosen on mini/raster" in page


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "run", {"one": detector()}, SETS, lambda cell: [])
    write_json(tmp_path / "x.json", {})
    for arguments, message in (
        (["--data", "mini", "--detectors", "univfd_mini", "--feed", "squash"], "unknown feed 'squash'"),
        (["--data", "mini"], "name those to feed with --detectors"),
        ([other], "was fed in one way only"),
        ([folder, "--detectors", "univfd_mini"], "is a run folder, which is only shown"),
        ([folder, "--metric", "aurocc"], "did you mean 'auroc'?"),
        ([folder, "--validation", "AR/VAX"], "did you mean 'AR/VAR'?"),
    ):
        done = sensitivity(*arguments)
        assert isinstance(done.exception, UserError), (arguments, done.output)
        assert message in str(done.exception)
