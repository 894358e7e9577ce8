"""metrics.json: every cell that was asked for, complete or with its reason; means; the file itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from benchmarks.runfolder.evaluate import evaluate_run
from benchmarks.runfolder.scores import Cell, write_shard
from registry import MetricCard, UserError, load_plugins
from registry.catalog import Catalog, Entry
from tests.metrics.samples import normal
from tests.runs import Rows, dataset, detector, failed, make_run, rows_of

SETS = {
    "AR/VAR": dataset("AR", "VAR", 120, 110),
    "AR/RAR": dataset("AR", "RAR", 60, 60),
    "GAN/ProGAN": dataset("GAN", "ProGAN", 30, 40),
}
DETECTORS = {"good": detector(), "fresh": detector(untrained=True)}
PERTURBATIONS = ("none", "jpeg:75")


@pytest.fixture
def catalog() -> Catalog[MetricCard]:
    return load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics


def sample(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    asked = SETS[cell.dataset]["asked"]
    shift = 2.0 if cell.detector == "good" else 0.0
    seed = [*SETS].index(cell.dataset) * 10 + PERTURBATIONS.index(cell.perturbation)
    return normal(asked["real"], asked["fake"], shift, seed)


def healthy(cell: Cell) -> Rows:
    return rows_of(*sample(cell))


def cell_of(result: dict[str, Any], dataset: str, detector: str = "good", perturbation: str = "none") -> Any:
    wanted = (detector, dataset, perturbation)
    (found,) = [c for c in result["cells"] if (c["detector"], c["dataset"], c["perturbation"]) == wanted]
    return found


def mean_of(result: dict[str, Any], scope: str, detector: str = "good", perturbation: str = "none") -> Any:
    wanted = (detector, scope, perturbation)
    (found,) = [m for m in result["means"] if (m["detector"], m["scope"], m["perturbation"]) == wanted]
    return found


def test_every_cell_equals_the_score_files(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    run = make_run(tmp_path, DETECTORS, SETS, healthy, PERTURBATIONS)
    result = evaluate_run(run, catalog, bootstrap=0)
    assert len(result["cells"]) == 2 * 3 * 2
    for cell in result["cells"]:
        labels, logits = sample(Cell(cell["detector"], cell["dataset"], cell["perturbation"]))
        assert (cell["n_real"], cell["n_fake"], cell["n_error"]) == (
            (labels == 0).sum(),
            (labels == 1).sum(),
            0,
        )
        assert cell["status"] == "complete"
        assert cell["metrics"]["ap"] == pytest.approx(sk.average_precision_score(labels, logits), abs=1e-12)
        assert cell["metrics"]["acc"] == pytest.approx(sk.accuracy_score(labels, logits > 0), abs=1e-12)
        assert cell["untrained"] is (cell["detector"] == "fresh")
        assert [cell["paradigm"], cell["generator"]] == cell["dataset"].split("/")
    assert cell_of(result, "AR/VAR")["reason"] is None
    assert set(cell_of(result, "AR/VAR")["metrics"]) == set(catalog.names())
    # 30 real pictures cannot tell a false-positive rate of 1 %
    few = cell_of(result, "GAN/ProGAN")
    assert few["metrics"]["tpr_at_fpr_1"] is None
    assert few["reason"] == "tpr_at_fpr_1: 30 real pictures, at least 100 are needed"
    assert few["undefined"] == {"tpr_at_fpr_1": "30 real pictures, at least 100 are needed"}


def test_the_file_is_strict_json_and_is_what_was_returned(
    tmp_path: Path, catalog: Catalog[MetricCard]
) -> None:
    run = make_run(tmp_path, DETECTORS, SETS, healthy)
    result = evaluate_run(run, catalog, bootstrap=20)
    text = (run / "metrics.json").read_text(encoding="utf-8")

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    assert json.loads(text, parse_constant=refuse) == result
    assert result["schema"] == 1
    assert result["metrics"]["eer"]["higher_is_better"] is False
    assert {f.name for f in run.iterdir()} == {"metrics.json", "replicates.parquet", "run.json", "scores"}
    assert evaluate_run(run, catalog, bootstrap=20) == result


def test_means_weigh_every_set_the_same(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    run = make_run(tmp_path, DETECTORS, SETS, healthy, PERTURBATIONS)
    result = evaluate_run(run, catalog, bootstrap=200)
    assert [m["scope"] for m in result["means"][:3]] == ["AR", "GAN", "all"]
    for scope, members in (("AR", ["AR/VAR", "AR/RAR"]), ("GAN", ["GAN/ProGAN"]), ("all", list(SETS))):
        for name in ("ap", "acc", "ece"):
            values = [cell_of(result, d)["metrics"][name] for d in members]
            mean = mean_of(result, scope)
            assert mean["metrics"][name] == pytest.approx(np.mean(values), abs=1e-12)
            assert mean["n_sets"] == mean["n_sets_expected"] == len(members)
    alone, cell = mean_of(result, "GAN"), cell_of(result, "GAN/ProGAN")
    assert alone["ci"]["ap"] == pytest.approx(cell["ci"]["ap"], abs=1e-12)
    low, high = mean_of(result, "all")["ci"]["auroc"]
    widths = [np.ptp(cell_of(result, d)["ci"]["auroc"]) for d in SETS]
    # independent sets: variances add up, so the mean's interval is about √(Σ width²) / 3
    assert high - low == pytest.approx(np.sqrt(np.square(widths).sum()) / 3, rel=0.3)
    assert mean_of(result, "AR", "fresh")["untrained"] is True
    undefined = mean_of(result, "all")
    assert undefined["metrics"]["tpr_at_fpr_1"] is None
    assert undefined["undefined"]["tpr_at_fpr_1"] == "undefined on AR/RAR, GAN/ProGAN"


def test_intervals_do_not_depend_on_what_else_is_in_the_run(
    tmp_path: Path, catalog: Catalog[MetricCard]
) -> None:
    full = evaluate_run(make_run(tmp_path / "a", DETECTORS, SETS, healthy), catalog, bootstrap=50)
    some = {"GAN/ProGAN": SETS["GAN/ProGAN"]}
    part = evaluate_run(make_run(tmp_path / "b", {"good": detector()}, some, healthy), catalog, bootstrap=50)
    assert cell_of(part, "GAN/ProGAN") == cell_of(full, "GAN/ProGAN")
    other = evaluate_run(tmp_path / "b", catalog, bootstrap=50, seed=1)
    assert cell_of(other, "GAN/ProGAN")["ci"] != cell_of(full, "GAN/ProGAN")["ci"]
    assert cell_of(other, "GAN/ProGAN")["metrics"] == cell_of(full, "GAN/ProGAN")["metrics"]


def test_failures_are_named_and_never_counted_as_scores(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    def rows(cell: Cell) -> Rows:
        whole = healthy(cell)
        match cell:
            case Cell("stopped", "AR/VAR"):
                return whole
            case Cell("stopped", "AR/RAR"):
                return whole[:50]
            case Cell("stopped", _):
                return []
            case Cell(_, "AR/VAR"):
                return [failed(row, "truncated file") for row in whole[:3]] + whole[3:]
            case Cell(_, "AR/RAR"):
                return [failed(row, "out of memory") for row in whole]
        return [*whole[1:], {**whole[0], "logit": float("nan")}]

    run = make_run(tmp_path, {"good": detector(), "stopped": detector(failed="it broke")}, SETS, rows)
    result = evaluate_run(run, catalog, bootstrap=20)

    some = cell_of(result, "AR/VAR")
    assert (some["n_real"], some["n_fake"], some["n_error"], some["status"]) == (117, 110, 3, "partial")
    assert some["reason"] == "3 of 230 pictures failed (truncated file ×3)"
    assert some["metrics"]["ap"] is not None
    none = cell_of(result, "AR/RAR")
    assert (none["n_real"], none["n_fake"], none["n_error"], none["status"]) == (0, 0, 120, "failed")
    assert set(none["metrics"].values()) == set(none["ci"].values()) == {None}
    assert none["reason"] == "120 of 120 pictures failed (out of memory ×120)"
    broken = cell_of(result, "GAN/ProGAN")
    assert (broken["n_error"], broken["status"]) == (1, "partial")
    assert broken["reason"].startswith("1 of 70 pictures failed (the logit is not finite)")
    mean = mean_of(result, "AR")
    assert (mean["n_sets"], mean["n_sets_expected"], mean["status"]) == (1, 2, "partial")
    assert mean["metrics"]["ap"] is None
    assert mean["reason"] == "AR/VAR partial, AR/RAR failed"
    assert mean["undefined"]["ap"] == "undefined on AR/RAR"

    # a detector that stopped: what it finished stands, the rest says why there is none
    assert cell_of(result, "AR/VAR", "stopped")["status"] == "complete"
    begun = cell_of(result, "AR/RAR", "stopped")
    assert begun["status"] == "partial"
    assert begun["reason"] == "70 of 120 pictures have no row; it broke"
    absent = cell_of(result, "GAN/ProGAN", "stopped")
    assert (absent["status"], absent["n_real"]) == ("failed", 0)
    assert absent["reason"] == "no picture was reached; it broke"
    assert mean_of(result, "GAN", "stopped")["status"] == "failed"


def test_a_single_class_set_has_one_number(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    sets = {"only real": dataset("", "", 40, 0), "nothing": dataset("GAN", "x", 0, 0)}

    def rows(cell: Cell) -> Rows:
        return rows_of(*normal(40, 0, 0, 0)) if cell.dataset == "only real" else []

    result = evaluate_run(make_run(tmp_path, {"good": detector()}, sets, rows), catalog, bootstrap=50)
    cell = cell_of(result, "only real")
    assert cell["status"] == "complete"
    assert [name for name, value in cell["metrics"].items() if value is not None] == ["acc_real"]
    assert cell["ci"]["acc_real"][0] < cell["metrics"]["acc_real"] < cell["ci"]["acc_real"][1]
    assert "0 generated pictures, at least 5 are needed" in cell["reason"]
    assert cell["paradigm"] == "unknown"
    empty = cell_of(result, "nothing")
    assert empty["status"] == "failed"
    assert empty["reason"].startswith("the test set has no pictures")


def test_rows_nobody_asked_for_are_reported(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    run = make_run(tmp_path, {"good": detector()}, SETS, healthy)
    write_shard(run, Cell("gone", "AR/VAR", "none"), rows_of(*normal(5, 5, 0, 0)))
    extra = [{**row, "path": f"more/{row['path']}"} for row in rows_of(*normal(2, 0, 0, 0))]
    write_shard(run, Cell("good", "AR/RAR", "none"), extra)
    result = evaluate_run(run, catalog, bootstrap=0)
    assert result["not_asked"] == [{"detector": "gone", "dataset": "AR/VAR", "perturbation": "none"}]
    cell = cell_of(result, "AR/RAR")
    assert cell["status"] == "partial"
    assert cell["reason"].startswith("2 more pictures than the 120 asked for")


def test_metrics_of_strangers(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    def median_gap(labels: np.ndarray, logits: np.ndarray) -> float:
        assert logits.dtype == np.float32
        return float(np.median(logits[labels == 1]) - np.median(logits[labels == 0]))

    def broken(labels: np.ndarray, logits: np.ndarray) -> float:
        raise RuntimeError("not today")

    catalog.add(Entry("median_gap", median_gap, MetricCard(summary="gap"), "a plugin"))
    catalog.add(Entry("broken", broken, MetricCard(), "a plugin"))
    catalog.add(Entry("nan", lambda labels, logits: float("nan"), MetricCard(), "a plugin"))
    result = evaluate_run(make_run(tmp_path, {"good": detector()}, SETS, healthy), catalog, bootstrap=30)
    cell = cell_of(result, "AR/VAR")
    labels, logits = sample(Cell("good", "AR/VAR", "none"))
    assert cell["metrics"]["median_gap"] == median_gap(labels, logits)
    assert cell["ci"]["median_gap"][0] < cell["metrics"]["median_gap"] < cell["ci"]["median_gap"][1]
    assert cell["undefined"] == {"broken": "RuntimeError: not today", "nan": "the value is nan"}
    assert cell["metrics"]["broken"] is cell["ci"]["broken"] is None
    assert cell["metrics"]["ap"] is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no run.json in .*: is it a run folder"),
        ("{", "cannot be read"),
        ('{"schema": 2}', "run.json: schema is 2, this version reads 1: upgrade"),
        ('{"schema": "1"}', "run.json: schema is '1', this version reads 1$"),
        ('{"schema": true}', "run.json: schema is True"),
        ("[]", "run.json: schema is None"),
        ('{"schema": 1, "detectors": {}}', r"datasets: field required \(and 1 more\)"),
        (
            '{"schema": 1, "detectors": {}, "datasets": {"a": {}}, "perturbations": []}',
            r"run\.json: datasets\.a\.asked: field required",
        ),
        (
            '{"schema": 1, "detectors": {"x": {"untrained": "no"}}, "datasets": {}, "perturbations": []}',
            r"detectors\.x\.untrained: input should be a valid boolean, got 'no'",
        ),
        (
            '{"schema": 1, "detectors": {"x": null}, "datasets": {}, "perturbations": []}',
            r"detectors\.x: input should be .*, got None",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, catalog: Catalog[MetricCard], content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=message):
        evaluate_run(tmp_path, catalog)
    assert not (tmp_path / "metrics.json").exists()


def test_a_damaged_score_file_is_named(tmp_path: Path, catalog: Catalog[MetricCard]) -> None:
    run = make_run(tmp_path, {"good": detector()}, SETS, healthy)
    (file, *_) = sorted(run.glob("scores/**/*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"scores\.parquet cannot be read as scores"):
        evaluate_run(run, catalog)
