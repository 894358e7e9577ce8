"""Operating points: chosen on real pictures of a validation set, measured on the other sets, in every format."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from pylatexenc.latex2text import LatexNodes2Text
from statsmodels.stats.proportion import proportion_confint

from benchmarks.metrics.likelihood_ratios import calibration, cllr
from benchmarks.metrics.thresholds import best_threshold
from benchmarks.runfolder.scores import CLEAN, Cell, read_scores
from tests.conftest import Invoke
from tests.pictures import make_test_sets
from tests.runs import Rows, dataset, detector, failed, make_run, rows_of

SETS = {
    "AR/val": dataset("AR", "val", 200, 60),
    "AR/a": dataset("AR", "a", 150, 120),
    "GAN/b": dataset("GAN", "b", 130, 90),
    "GAN/c": dataset("GAN", "c", 300, 70),
}
SHIFT = {"AR/val": 0.0, "AR/a": 0.0, "GAN/b": 1.5, "GAN/c": -1.5}
"""Of all logits of a set: false positives as asked for, too many, too few."""
FPR = 0.02


def sample(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    asked = SETS[cell.dataset]["asked"]
    labels = np.repeat([0, 1], [asked["real"], asked["fake"]])
    rng = np.random.default_rng([list(SETS).index(cell.dataset), len(cell.detector), len(cell.perturbation)])
    logits = rng.normal(size=len(labels)) + 2 * labels + SHIFT[cell.dataset] - 3
    return labels, logits.astype(np.float32)


def rows(cell: Cell) -> Rows:
    found = rows_of(*sample(cell))
    if (cell.detector, cell.dataset) == ("few", "AR/val"):
        return [failed(row, "broken") if i < 160 else row for i, row in enumerate(found)]
    return found


def made(folder: Path, shared: int = 0) -> Path:
    """A run; shared: as many real pictures of the validation set lie in AR/a, too."""
    detectors = {"good": detector(), "few": detector(), "fresh one": detector(untrained=True)}
    run = make_run(folder, detectors, SETS, rows, (CLEAN, "jpeg:75"))
    for name, facts in SETS.items() if shared else ():
        paths = [f"{i:04d}.png" for i in range(facts["asked"]["real"] + facts["asked"]["fake"])]
        own = [
            hashlib.sha256(
                f"{'same' if i < shared and facts['paradigm'] == 'AR' else name} {i}".encode()
            ).digest()
            for i in range(len(paths))
        ]
        file = run / "pictures" / f"dataset={quote(name, safe='')}" / "digests.parquet"
        file.parent.mkdir(parents=True)
        pd.DataFrame({"path": paths, "sha256": own}).to_parquet(file)
    return run


def report(invoke: Invoke, run: Path, out: Path, *more: str) -> Any:
    return invoke(
        "report",
        str(run),
        "--calibrate-on",
        "AR/val",
        "--fpr",
        str(FPR),
        "--bootstrap",
        "0",
        "--out",
        str(out),
        *more,
    )


@pytest.fixture
def tables(invoke: Invoke, tmp_path: Path) -> tuple[Path, Path, str]:
    run = made(tmp_path / "run")
    result = report(invoke, run, tmp_path / "out")
    assert result.code == 0, result.err
    return run, tmp_path / "out", result.out


def conformal(real: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Which of `new` are called generated: p-value among the real ones of at most `FPR`."""
    return (1 + (real[None, :] >= new[:, None]).sum(1)) <= FPR * (1 + len(real)) + 1e-9


def test_rates_reached_and_their_intervals(tables: tuple[Path, Path, str]) -> None:
    _, out, _ = tables
    lines = pd.read_csv(out / "leaderboard.operating.csv", keep_default_na=False)
    assert len(lines) == 3 * 3 * 2
    assert set(lines["column"]) == {"a", "b", "c"}
    for name, perturbation in (("good", CLEAN), ("fresh one", "jpeg:75")):
        labels, logits = sample(Cell(name, "AR/val", CLEAN))
        real = logits[labels == 0]
        for line in lines[(lines["detector"] == name) & (lines["perturbation"] == perturbation)].itertuples():
            labels, logits = sample(Cell(name, f"{line.paradigm}/{line.column}", perturbation))
            called = conformal(real, logits)
            for label, rate in ((0, "fpr"), (1, "tpr")):
                count, of = int(called[labels == label].sum()), int((labels == label).sum())
                exact = proportion_confint(count, of, method="beta")
                found = [float(getattr(line, key)) for key in (rate, f"{rate}_low", f"{rate}_high")]
                assert found == pytest.approx([count / of, *exact], abs=1e-9)
            low, high = float(line.fpr_low), float(line.fpr_high)
            outside = "above" if low > FPR else "below" if high < FPR else ""
            assert line.mark == outside
            assert line.mark == {"a": "", "b": "above", "c": "below"}[line.column]
            assert line.asked == FPR


def test_a_detector_with_too_few_real_pictures_says_so(tables: tuple[Path, Path, str]) -> None:
    run, out, text = tables
    lines = pd.read_csv(out / "leaderboard.operating.csv", keep_default_na=False)
    few = lines[lines["detector"] == "few"]
    why = (
        "no threshold from AR/val: 40 real pictures, at least 50 are needed for a false-positive rate of 0.02"
    )
    assert set(few["threshold"]) == {why}
    assert set(few["fpr"]) == {""}
    assert why.split(":")[0] in text
    cell = next(c for c in json.loads((run / "metrics.json").read_text())["cells"] if c["detector"] == "few")
    assert cell["undefined"]["tpr_at_0.02@AR/val"] == "it was chosen on these pictures"


def test_every_format_shows_them(tables: tuple[Path, Path, str]) -> None:
    _, out, text = tables
    lines = pd.read_csv(out / "leaderboard.operating.csv", keep_default_na=False)
    files = {
        kind: (out / f"leaderboard.{kind}").read_text(encoding="utf-8") for kind in ("md", "html", "tex")
    }
    latex = " ".join(
        LatexNodes2Text().latex_to_text(files["tex"].replace("&", "|").replace(r"\%", "%")).split()
    )
    signs = {"above": "↑", "below": "↓", "": ""}
    for line in lines[lines["detector"] == "good"].itertuples():
        fpr, tpr = (
            [f"{float(getattr(line, f'{rate}{key}')):.4f}" for key in ("", "_low", "_high")]
            for rate in ("fpr", "tpr")
        )
        shown = [
            f"{line.paradigm} {line.column}",
            f"{float(line.threshold):.4f}",
            f"{fpr[0]}{signs[line.mark]} [{fpr[1]}, {fpr[2]}]",
            f"{tpr[0]} [{tpr[1]}, {tpr[2]}]",
        ]
        assert f"| good | {' | '.join(shown)} |".replace("[", r"\[").replace("]", r"\]") in files["md"]
        assert '<th scope="row">good</th>' + "".join(f"<td>{one}</td>" for one in shown) in files["html"]
        assert f"good | {' | '.join(shown)}" in latex
        assert f"{float(line.fpr):.3f}{signs[line.mark]} [{float(line.fpr_low):.3f}" in text
    for kind in files:
        assert "0.02 false positives asked for, thresholds from clean AR/val" in files[kind]
    assert "## tpr\\_at\\_0.02@AR/val" in files["md"] or "## tpr_at_0.02@AR/val" in files["md"]
    assert "↑ more false positives than asked for" in text


def test_pictures_of_other_sets_choose_nothing(invoke: Invoke, tmp_path: Path) -> None:
    run = made(tmp_path / "run", shared=120)
    result = report(invoke, run, tmp_path / "out")
    assert result.code == 0, result.err
    labels, logits = sample(Cell("good", "AR/val", CLEAN))
    labels, logits = labels[120:], logits[120:]
    found = json.loads((run / "metrics.json").read_text())["calibrated"]
    assert found["thresholds"]["good"] == best_threshold(labels, logits)
    assert found["calibrations"]["good"] == pytest.approx(calibration(labels, logits), rel=1e-9)
    here, scores = sample(Cell("good", "GAN/b", CLEAN))
    called = conformal(logits[labels == 0], scores)
    lines = pd.read_csv(tmp_path / "out" / "leaderboard.operating.csv", keep_default_na=False)
    one = lines[(lines["detector"] == "good") & (lines["column"] == "b") & (lines["perturbation"] == CLEAN)]
    assert float(one["tpr"].iloc[0]) == pytest.approx(called[here == 1].mean())
    made(tmp_path / "most", shared=160)
    result = report(invoke, tmp_path / "most", tmp_path / "out")
    assert "no threshold from AR/val: 40 real pictures" in result.out


def test_likelihood_ratios_are_calibrated_on_the_validation_set_alone(tables: tuple[Path, Path, str]) -> None:
    content = json.loads((tables[0] / "metrics.json").read_text())
    slope, offset = calibration(*sample(Cell("good", "AR/val", CLEAN)))
    assert content["metrics"]["cllr@AR/val"]["higher_is_better"] is False
    for cell in content["cells"]:
        if cell["detector"] != "good":
            continue
        value = cell["metrics"]["cllr@AR/val"]
        if cell["dataset"] == "AR/val":
            assert value is None
            continue
        labels, logits = sample(Cell("good", cell["dataset"], cell["perturbation"]))
        assert value == pytest.approx(cllr(labels, slope * logits.astype(float) + offset), rel=1e-9)
        assert cell["metrics"]["cllr_min"] <= value
    of_a = next(c["metrics"] for c in content["cells"] if (c["detector"], c["dataset"]) == ("good", "AR/a"))
    assert of_a["cllr@AR/val"] < of_a["cllr"] - 0.2, "logits sit 2 too low"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fpr", "0.01"], "a false-positive rate needs a validation set"),
        (
            ["--fpr", "0.001", "--calibrate-on", "AR/val"],
            "a threshold for a false-positive rate of 0.001 needs 1000 real pictures, AR/val has 200",
        ),
        (["--fpr", "1", "--calibrate-on", "AR/val"], "--fpr: input should be less than 1, got 1.0"),
        (["--fpr", "0.1", "--calibrate-on", "AR/vall"], "unknown test set 'AR/vall', did you mean 'AR/val'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    invoke: Invoke, tmp_path: Path, options: list[str], message: str
) -> None:
    result = invoke("report", str(made(tmp_path / "run")), "--bootstrap", "0", *options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_keys_of_a_run(invoke: Invoke, tmp_path: Path) -> None:
    data = make_test_sets(tmp_path / "data", 10)
    config = tmp_path / "run.yaml"
    text = f"data: [{data}]\ndetectors: [{{name: random_score}}]\nbootstrap: 0\ncalibrate_on: AR/VAR\n"
    config.write_text(f"{text}fpr: 0.05\nout: {tmp_path / 'run'}\n")
    result = invoke("run", str(config))
    assert result.code == 2
    assert "a false-positive rate of 0.05 needs 20 real pictures, AR/VAR has 10" in result.err
    assert not (tmp_path / "run" / "scores").exists()
    config.write_text(f"{text}fpr: 0.2\nout: {tmp_path / 'run'}\n")
    result = invoke("run", str(config))
    assert result.code == 0, result.err
    assert "Operating points: 0.2 false positives asked for, thresholds from clean AR/VAR" in result.out
    frame = read_scores(tmp_path / "run").query("label == 0")
    real = np.sort(frame[frame["dataset"] == "AR/VAR"]["logit"])
    # the second highest of ten: p-value 2 / 11
    lines = pd.read_csv(tmp_path / "run" / "leaderboard.operating.csv")
    assert lines["threshold"].tolist() == pytest.approx([real[-2]] * 2)
    there = frame[frame["dataset"] == "GAN/ProGAN"]["logit"]
    assert lines.set_index("column").loc["ProGAN", "fpr"] == pytest.approx((there > real[-2]).mean())
    # what a report finds, it keeps
    assert invoke("report", str(tmp_path / "run"), "--recompute").code == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["calibrated"]["fpr"] == 0.2
    assert "--no-clean" in invoke("run", str(config), "--no-clean", "--perturb", "jpeg:75").err
