"""Worst case and stability of ranks, from the public command, against pandas on metrics.json and the replicates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.reports.load import read_runs
from benchmarks.reports.page.payload import payload
from benchmarks.reports.report import make_report
from benchmarks.runfolder.metrics_file import METRICS
from tests.metrics.samples import normal
from tests.reports.conftest import evaluated
from tests.runs import Rows, dataset, detector, rows_of

SETS = {f"{p}/{g}": dataset(p, g, 60, 60) for p, g in (("AR", "a"), ("AR", "b"), ("GAN", "c"), ("odd", "d"))}
SHIFTS = {
    "steady": (1.6, 1.6, 1.6, 1.6),
    "peaky": (3.0, 3.0, 2.0, 0.2),
    "close": (1.5, 1.7, 1.8, 1.5),
    "fresh": (9.0, 9.0, 9.0, 9.0),
    "part": (9.0, 9.0, 9.0, 9.0),
    "white": (9.0, 9.0, 9.0, 9.0),
}
RANKED = ["steady", "peaky", "close"]
METRIC = ["ap", "eer", "acc"]


def rows(cell: Any) -> Rows:
    at = list(SETS).index(cell.dataset)
    labels, logits = normal(60, 60, SHIFTS[cell.detector][at], seed=at)
    own = np.random.default_rng([at, *cell.detector.encode()]).normal(size=120)
    found = rows_of(labels, logits + own.astype(np.float32))
    return found[:-1] if (cell.detector, cell.dataset) == ("part", "GAN/c") else found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    detectors = {name: detector(untrained=name == "fresh") for name in SHIFTS}
    detectors["white"] = detector(card={"white_box_for": ["a"]})
    return evaluated(
        tmp_path_factory.mktemp("standings") / "run", detectors=detectors, datasets=SETS, rows=rows
    )


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    result = CliRunner().invoke(app, ["report", str(run), "--metric", ",".join(METRIC), "--out", str(out)])
    assert result.exit_code == 0, result.output
    (out / "terminal.txt").write_text(result.output, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def lines(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "leaderboard.standings.csv", keep_default_na=False, na_values={"rank": [""]})


def table(run: Path, metric: str, perturbation: str = "none") -> pd.DataFrame:
    """Detectors × test sets, from metrics.json."""
    cells = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["cells"]
    chosen = [c for c in cells if c["perturbation"] == perturbation]
    frame = pd.DataFrame(
        [(c["detector"], c["dataset"].replace("/", " "), c["metrics"][metric]) for c in chosen]
    )
    return frame.pivot(index=0, columns=1, values=2)


@pytest.mark.parametrize("metric", METRIC)
def test_mean_worst_and_ranks_with_every_set_left_out(run: Path, lines: pd.DataFrame, metric: str) -> None:
    values = table(run, metric)
    higher = metric != "eer"
    for left_out in ["", *values.columns]:
        kept = values.drop(columns=[left_out]) if left_out else values
        here = lines[
            (lines["metric"] == metric) & (lines["perturbation"] == "none") & (lines["left_out"] == left_out)
        ].set_index("detector")
        assert set(here.index) == set(SHIFTS)
        assert set(here["n_sets"]) == {len(kept.columns)}
        worst = kept.min(axis=1) if higher else kept.max(axis=1)
        on = kept.idxmin(axis=1) if higher else kept.idxmax(axis=1)
        for name in SHIFTS:
            assert here.loc[name, "mean"] == pytest.approx(kept.loc[name].mean(), abs=1e-12)
            assert here.loc[name, "worst"] == pytest.approx(worst[name], abs=1e-12)
            assert here.loc[name, "worst_on"].split("; ")[0] == on[name]
        for key, of in (("rank", kept.mean(axis=1)), ("rank_by_worst", worst)):
            wanted = of[RANKED].round(4).rank(method="min", ascending=not higher)
            assert {name: float(here.loc[name, key]) for name in RANKED} == wanted.to_dict()
            assert not any(str(here.loc[name, key]).replace("nan", "") for name in ("fresh", "part", "white"))


def test_worst_case_and_mean_name_other_winners(lines: pd.DataFrame) -> None:
    whole = lines[(lines["metric"] == "ap") & (lines["perturbation"] == "none") & (lines["left_out"] == "")]
    of = whole.set_index("detector")
    assert of.loc["peaky", ["rank", "rank_by_worst", "worst_on"]].tolist() == [1, "3", "odd d"]


def test_order_holds_in_the_share_of_resamples_that_the_kept_replicates_give(
    run: Path, folder: Path, lines: pd.DataFrame
) -> None:
    kept = pd.read_parquet(run / "replicates.parquet")
    kept = kept[kept["perturbation"] == "none"]
    found = pd.read_csv(folder / "leaderboard.comparisons.csv")
    of_all = found[(found["paradigm"] == "all") & (found["perturbation"] == "none")]
    for metric in ("ap", "acc"):
        means = {
            name: np.mean([part[f"metric:{metric}"].to_numpy() for _, part in own.groupby("dataset")], axis=0)
            for name, own in kept.groupby("detector")
        }
        here = of_all[(of_all["metric"] == metric) & (of_all["test"] == "paired bootstrap")]
        assert len(here) == 6  # three ranked detectors and the white box; `part` is not complete
        for row in here.itertuples():
            difference = (means[row.first] - means[row.second]) * np.sign(row.difference)
            assert row.holds == pytest.approx((difference > 1e-12).mean())
        assert here["holds"].min() < 1
        whole = lines[
            (lines["metric"] == metric) & (lines["perturbation"] == "none") & (lines["left_out"] == "")
        ]
        whole = whole[whole["next"] != ""]
        assert len(whole) == 2
        for row in whole.itertuples():
            difference = means[row.detector] - means[row.next]
            assert float(row.ahead_of_next) == pytest.approx((difference > 1e-12).mean())


def test_every_format_shows_them(run: Path, folder: Path, lines: pd.DataFrame) -> None:
    peaky = lines[(lines["detector"] == "peaky") & (lines["perturbation"] == "none")]
    shown = {name: (folder / f"leaderboard.{name}").read_text(encoding="utf-8") for name in ("md", "tex")}
    terminal = (folder / "terminal.txt").read_text(encoding="utf-8")
    content = payload(make_report(read_runs([run]), METRIC))
    for metric in METRIC:
        of = peaky[peaky["metric"] == metric]
        (whole,) = of[of["left_out"] == ""].itertuples()
        ranks = of[of["left_out"] != ""]["rank"].astype(int)
        span = "–".join(dict.fromkeys(map(str, (ranks.min(), ranks.max()))))
        ahead = f"{100 * float(whole.ahead_of_next):.1f} %" if whole.next else ""
        wanted = [
            f"{whole.mean:.4f}",
            f"{whole.rank:.0f}",
            span,
            f"{whole.worst:.4f}",
            "odd d",
            whole.rank_by_worst,
            ahead,
        ]
        assert f"| peaky | {' | '.join(wanted)} |" in shown["md"]
        assert f"peaky & {' & '.join(wanted)} ".replace("%", r"\%") in shown["tex"]
        assert re.search(
            rf"peaky +{whole.mean:.3f} +{whole.rank:.0f} +{span} +{whole.worst:.3f} +odd d", terminal
        )
        at = [one["name"] for one in content["metrics"]].index(metric)
        (found,) = content["standings"][at][0]
        place = [row["label"] for row in content["rows"]].index("peaky")
        (row,) = [row for row in found["rows"] if row[0] == place]
        assert row[1:] == wanted
        assert found["sets"] == 4
    assert set(METRIC) - set(METRICS) == {"eer"}


def test_a_set_that_lacks_the_metric_leaves_no_worst_value(tmp_path: Path) -> None:
    sets = {**SETS, "GAN/few": dataset("GAN", "few", 3, 3)}

    def few(cell: Any) -> Rows:
        return rows_of(*normal(3, 3, 1.0, seed=0)) if cell.dataset == "GAN/few" else rows(cell)

    chosen = {name: detector() for name in RANKED}
    folder = evaluated(tmp_path / "run", detectors=chosen, datasets=sets, rows=few)
    (over,) = make_report(read_runs([folder]), ["ap"]).standings[0]
    assert over.n_sets == 5
    assert all(one.whole.mean is one.whole.worst is one.whole.rank is None for one in over.rows)
    # a single set has no worst one
    alone = evaluated(tmp_path / "one", detectors=chosen, datasets={"AR/a": SETS["AR/a"]}, rows=rows)
    assert make_report(read_runs([alone]), ["ap"]).standings[0] == []
