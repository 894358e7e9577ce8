"""The table of comparisons: who is compared with whom, on what, and that its numbers are those of metrics.json."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.metrics.delong import delong
from benchmarks.reports.board import boards
from benchmarks.reports.load import Run, read_runs
from benchmarks.reports.statistics import compare as compare_module
from benchmarks.reports.statistics.compare import BOOTSTRAP, DELONG, MCNEMAR, compare
from benchmarks.reports.statistics.mean_ranks import rank_board
from benchmarks.reports.statistics.paired import delong_p, mcnemar
from benchmarks.reports.statistics.verdicts import Verdicts
from benchmarks.runfolder.replicates import REPLICATES_FILE
from benchmarks.runfolder.scores import Cell, read_cell, write_shard
from tests.metrics.samples import normal
from tests.reports.conftest import evaluated
from tests.runs import Rows, dataset, detector, rows_of

SETS = {name: dataset(name.split("/")[0], name.split("/")[1], 100, 100) for name in ("AR/a", "AR/b", "GAN/c")}
SHIFTS = {"best": 4.0, "twin": 3.8, "weak": 0.5, "fresh": 5.0}


def rows(cell: Cell) -> Rows:
    seed = len(cell.perturbation) + ord(cell.dataset[-1])
    labels, logits = normal(100, 100, SHIFTS[cell.detector], seed)
    noise = np.random.default_rng([*cell.detector.encode(), seed]).normal(size=200).astype(np.float32)
    found = rows_of(labels, logits + noise)
    return found[:-1] if (cell.detector, cell.dataset) == ("weak", "GAN/c") else found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("compare") / "run"
    detectors = {name: detector(untrained=name == "fresh") for name in SHIFTS}
    (found,) = read_runs([evaluated(folder, detectors=detectors, datasets=SETS, rows=rows)])
    return found


@pytest.fixture(scope="module")
def table(run: Run) -> pd.DataFrame:
    return compare([run], ["ap", "acc", "auroc"])


def value(run: Run, name: str, where: str, metric: str, perturbation: str = "none") -> float:
    for item in [*run.metrics["cells"], *run.metrics["means"]]:
        if (item["detector"], item.get("dataset", item.get("scope")), item["perturbation"]) == (
            name,
            where,
            perturbation,
        ):
            return float(item["metrics"][metric])
    raise AssertionError((name, where))


def test_only_trained_and_complete_detectors_are_compared(table: pd.DataFrame, run: Run) -> None:
    sets = run.set_pictures()
    pairs: dict[Any, set[frozenset[str]]] = {}
    for _, row in table.iterrows():
        pairs.setdefault(row["pictures"], set()).add(frozenset([row["first"][1], row["second"][1]]))
    three = {frozenset(p) for p in (("best", "twin"), ("best", "weak"), ("twin", "weak"))}
    assert pairs[sets["AR/a"]] == three
    assert pairs[sets["GAN/c"]] == {frozenset(["best", "twin"])}
    assert pairs[run.mean_pictures()["AR"]] == three
    assert pairs[run.mean_pictures()["all"]] == {frozenset(["best", "twin"])}


def test_differences_are_those_of_metrics_json(table: pd.DataFrame, run: Run) -> None:
    places = {p: name for name, p in {**run.mean_pictures(), **run.set_pictures()}.items()}
    for _, row in table.iterrows():
        values = [
            value(run, row[side][1], places[row["pictures"]], row["metric"], row["perturbation"])
            for side in ("first", "second")
        ]
        assert row["difference"] == pytest.approx(values[0] - values[1], abs=1e-12)
    drawn = table[table["test"] == BOOTSTRAP]
    assert set(drawn["metric"]) == {"ap", "acc", "auroc"}
    assert (drawn["low"] <= drawn["high"]).all()
    assert (
        (drawn["low"] - 0.02 <= drawn["difference"]) & (drawn["difference"] <= drawn["high"] + 0.02)
    ).all()


def test_a_difference_has_no_interval_where_pictures_are_few(tmp_path: Path) -> None:
    few = {"AR/a": dataset("AR", "a", 99, 100)}
    folder = evaluated(
        tmp_path / "run",
        detectors={"best": detector(), "weak": detector()},
        datasets=few,
        rows=lambda cell: rows(cell)[1:],
    )
    found = compare(read_runs([folder]), ["auroc"])
    drawn = found[found["test"] == BOOTSTRAP]
    assert len(drawn)
    assert drawn["low"].isna().all()
    assert drawn["p"].notna().all()


def test_p_values_are_those_of_the_score_files(table: pd.DataFrame, run: Run) -> None:
    assert run.folder is not None
    cells = [read_cell(run.folder, Cell(name, "AR/b", "none")) for name in ("best", "twin", "weak")]
    labels, logits = cells[0]["label"].to_numpy(), np.stack([c["logit"].to_numpy() for c in cells])
    here = table[(table["pictures"] == run.set_pictures()["AR/b"]) & (table["perturbation"] == "none")]
    for test, p in ((DELONG, delong_p(*delong(labels, logits))), (MCNEMAR, mcnemar((logits > 0) == labels))):
        found = here[here["test"] == test]
        assert list(found["p"]) == pytest.approx([p[0, 1], p[0, 2], p[1, 2]])
        assert list(found["p_holm"]) == pytest.approx(list(multipletests(found["p"], method="holm")[1]))


def test_what_cannot_be_told_apart_shares_a_rank(table: pd.DataFrame, run: Run) -> None:
    (board,) = boards([run], ["auroc"], Verdicts(table[table["perturbation"] == "none"]).judge)[:1]
    (column,) = [c for c in board.columns if c.pictures == run.set_pictures()["AR/b"]]
    found = {row.label: board.entries[row, column] for row in board.rows}
    assert found["best"].rank == found["twin"].rank == 1
    assert [found["best"].tied, found["twin"].tied].count(True) == 1
    assert found["weak"].rank == 2
    assert found["fresh"].rank is None
    assert [found[name].test for name in ("best", "twin", "weak", "fresh")] == [DELONG, DELONG, DELONG, ""]


def test_ranks_cover_detectors_complete_on_every_set(run: Run) -> None:
    found = rank_board(boards([run], ["auroc"])[0])
    assert found.labels == ("best", "twin")
    assert found.left_out == ("weak", "fresh")
    assert found.n_sets == 3
    assert sum(found.summary.mean_ranks) == pytest.approx(3)


def test_other_pictures_are_never_compared(run: Run, tmp_path: Path) -> None:
    changed = {name: {**facts, "fingerprint": "cd" * 32} for name, facts in SETS.items()}
    folder = evaluated(tmp_path / "other", detectors={"twin": detector()}, datasets=changed, rows=rows)
    assert run.folder is not None
    both = read_runs([run.folder, folder])
    table = compare(both, ["auroc"])
    assert all(row["first"][0] == row["second"][0] for _, row in table.iterrows())
    same = evaluated(tmp_path / "same", detectors={"twin": detector()}, datasets=SETS, rows=rows)
    table = compare(read_runs([run.folder, same]), ["auroc"])
    twins = table[(table["first"] == ("run", "twin")) & (table["second"] == ("same", "twin"))]
    assert len(twins)
    assert (twins["difference"] == 0).all()
    assert (twins["p"] == 1).all()


def test_without_intervals_the_analytic_tests_remain(run: Run) -> None:
    metrics = {**run.metrics, "bootstrap": {**run.metrics["bootstrap"], "resamples": 0}}
    table = compare([Run(run.label, metrics, run.record, run.folder)], ["ap", "acc", "auroc"])
    assert set(table["test"]) == {DELONG, MCNEMAR}
    assert compare([Run(run.label, metrics)], ["auroc"]).empty


def spoilt(folder: Path) -> None:
    (folder / REPLICATES_FILE).write_bytes(b"PAR1 no")


def of_other_scores(folder: Path) -> None:
    cell = Cell("best", "AR/a", "none")
    flipped = [{**row, "logit": -row["logit"]} for row in rows(cell)]
    write_shard(folder, cell, flipped, name="scores")


@pytest.mark.parametrize("change", [None, Path.unlink, spoilt, of_other_scores])
def test_replicates_come_from_the_evaluation_and_are_drawn_where_they_do_not_fit(
    run: Run, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    assert run.folder is not None
    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    drawn = []
    draw = compare_module.replicates

    def counted(metrics: Any, *rest: Any) -> Any:
        drawn.append(list(metrics))
        return draw(metrics, *rest)

    monkeypatch.setattr(compare_module, "replicates", counted)
    if change is not None:
        change(folder / REPLICATES_FILE if change is Path.unlink else folder)
    again = compare([Run(run.label, run.metrics, run.record, folder)], ["ap", "acc", "auroc"])
    if change is of_other_scores:
        assert len(drawn) == 1
        return
    assert len(drawn) == (0 if change is None else 16)
    assert list(again["p_holm"]) == list(table["p_holm"])
    for name in ("difference", "low", "high", "p"):
        np.testing.assert_allclose(again[name], table[name], rtol=0, atol=1e-12)


def test_metrics_that_are_not_kept_are_drawn(run: Run) -> None:
    assert run.folder is not None
    assert len(compare([run], ["brier"]))
    names = pq.read_schema(run.folder / REPLICATES_FILE).names
    assert "metric:ap" in names
    assert "metric:brier" not in names
