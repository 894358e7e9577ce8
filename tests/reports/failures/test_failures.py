"""What detectors miss, against independent computations, and the command on pictures that can be found again."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import matthews_corrcoef
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.contingency_tables import StratifiedTable
from typer.testing import CliRunner

from benchmarks.audits.traits import read_traits
from benchmarks.cli import app
from benchmarks.reports.failures.agreement import agreements, pairs, picture_table
from benchmarks.reports.failures.at_hand import find_again
from benchmarks.reports.failures.causes import study_failures
from benchmarks.reports.failures.fusion import fit
from benchmarks.reports.failures.scored import Scored, SetScores
from benchmarks.reports.failures.slices import within_sets
from benchmarks.runfolder.record import make_record
from benchmarks.runfolder.scores import Cell
from registry import UserError
from tests.runs import dataset, detector, make_run

NAMES = ["first", "second", "third"]


def sample(name: str, seed: int, pictures: int = 80, shift: float = 1.5) -> SetScores:
    rng = np.random.default_rng(seed)
    labels = (np.arange(pictures) % 2).astype(np.int8)
    common = rng.normal(0, 1, pictures)
    logits = shift * (labels - 0.5) + common + rng.normal(0, 1, (len(NAMES), pictures))
    paths = np.array([f"{i:03d}.png" for i in range(pictures)])
    return SetScores(name, paths, labels, np.round(logits, 1), np.array([0.0, 0.2, -0.3]))


def test_what_all_miss_is_counted_picture_by_picture() -> None:
    one = sample("AR/VAR", 0)
    (real, fake) = agreements(Scored(NAMES, "none", [one]))
    for found, label in ((real, 0), (fake, 1)):
        counts = {"all": 0, "none": 0, **dict.fromkeys(NAMES, 0)}
        errors = np.zeros(len(NAMES))
        members = [i for i in range(len(one.paths)) if one.labels[i] == label]
        for i in members:
            right = [(one.logits[d, i] > one.thresholds[d]) == bool(label) for d in range(len(NAMES))]
            errors += [not r for r in right]
            counts["all"] += all(right)
            counts["none"] += not any(right)
            if sum(right) == 1:
                counts[NAMES[right.index(True)]] += 1
        assert (found.pictures, found.all_right, found.all_wrong) == (40, counts["all"], counts["none"])
        assert found.only == {name: counts[name] for name in NAMES}
        assert found.by_chance == pytest.approx(40 * np.prod(errors / 40))


def test_correlations_of_one_class_are_phi_and_spearmans_rho() -> None:
    one = sample("AR/VAR", 1)
    fakes = np.flatnonzero(one.labels == 1)
    alone = SetScores("x", one.paths[fakes], one.labels[fakes], one.logits[:, fakes], one.thresholds)
    found = {(p.first, p.second): p for p in pairs(Scored(NAMES, "none", [alone]))}
    for (i, j), names in {(0, 1): ("first", "second"), (0, 2): ("first", "third")}.items():
        pair = found[names]
        assert pair.errors == pytest.approx(matthews_corrcoef(alone.right[i], alone.right[j]))
        assert pair.ranks == pytest.approx(spearmanr(alone.logits[i], alone.logits[j]).statistic)
        assert pair.both_wrong == int((~alone.right[i] & ~alone.right[j]).sum())
        assert pair.one_wrong == int((alone.right[i] ^ alone.right[j]).sum())


def test_a_threshold_that_calls_everything_generated_makes_no_two_detectors_alike() -> None:
    rng = np.random.default_rng(3)
    labels = (np.arange(200) % 2).astype(np.int8)
    logits = rng.normal(0, 1, (2, 200))
    paths = np.array([f"{i:03d}" for i in range(200)])
    high, low = (SetScores("x", paths, labels, logits, np.full(2, limit)) for limit in (-9.0, -1.0))
    (blind,) = pairs(Scored(["a", "b"], "none", [high]))
    assert blind.errors is None
    (pair,) = pairs(Scored(["a", "b"], "none", [low]))
    assert pair.errors is not None
    assert abs(pair.errors) < 0.15 < matthews_corrcoef(low.right[0], low.right[1])
    assert abs(pair.ranks or 0) < 0.2


def test_the_most_missed_come_first_and_say_who_finds_them() -> None:
    table = picture_table(Scored(NAMES, "none", [sample("AR/VAR", 4)]))
    assert table["wrong"].is_monotonic_decreasing
    assert table["badness"].between(0, 1, inclusive="neither").all()
    for row in table.to_dict("records"):
        assert len(str(row["found_by"]).split()) == len(NAMES) - row["wrong"]
    fakes = table[table["label"] == 1]
    assert (
        fakes.loc[fakes["badness"].idxmax(), NAMES].mean()
        < fakes.loc[fakes["badness"].idxmin(), NAMES].mean()
    )


def test_fusions_are_what_a_pipeline_of_scikit_learn_gives() -> None:
    validation, other = sample("val", 5), sample("test", 6)
    fitted = fit(validation)

    def made() -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", tol=1e-8))

    joint = made().fit(validation.logits.T, validation.labels)
    assert fitted.logistic(other.logits) == pytest.approx(joint.decision_function(other.logits.T))
    alone = [
        made().fit(validation.logits[[d]].T, validation.labels).predict_proba(other.logits[[d]].T)[:, 1]
        for d in range(len(NAMES))
    ]
    assert 1 / (1 + np.exp(-fitted.mean(other.logits))) == pytest.approx(np.mean(alone, axis=0))


@pytest.mark.parametrize("seed", range(5))
def test_slices_are_compared_within_sets_as_statsmodels_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = rng.integers(0, 4, 300)
    inside = rng.random(300) < 0.2 + 0.15 * sets
    inside[sets == 3] = True  # says nothing: no picture outside
    wrong = rng.random(300) < 0.1 + 0.15 * sets + 0.15 * inside
    tables = [
        np.array(
            [[(wrong & i & (sets == s)).sum(), (~wrong & i & (sets == s)).sum()] for i in (inside, ~inside)]
        )
        for s in range(3)
    ]
    expected = StratifiedTable([t.astype(float) for t in tables]).test_null_odds(correction=False)
    more, p = within_sets(wrong, inside, sets)
    assert p == pytest.approx(expected.pvalue)
    weights = [t[0].sum() * t[1].sum() / t.sum() for t in tables]
    differences = [t[0, 0] / t[0].sum() - t[1, 0] / t[1].sum() for t in tables]
    assert more == pytest.approx(np.average(differences, weights=weights))
    assert within_sets(wrong[:12], inside[:12], sets[:12]) == (None, None)


def picture(path: Path, saturated: bool, quality: int | None, side: int) -> None:
    rng = np.random.default_rng([*str(path.relative_to(path.parents[2])).encode(), side])
    grey = rng.integers(0, 256, (side, side, 1)).repeat(3, 2)
    if saturated:
        grey[..., 0] //= 4
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey.astype(np.uint8)).save(path, **({"quality": quality} if quality else {}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three detectors on two sets of 30 + 30 pictures; `second` misses the generated JPEGs of both."""
    folder = tmp_path_factory.mktemp("failures")
    paths: dict[str, list[tuple[str, int]]] = {}
    for generator in ("VAR", "RAR"):
        for label, name in enumerate(("0_real", "1_fake")):
            for i in range(30):
                kind = "jpg" if i % 3 == 0 else "png"
                path = f"{generator}/{name}/{i:03d}.{kind}"
                picture(folder / "data" / path, i % 2 == 0, 80 if kind == "jpg" else None, 20)
                paths.setdefault(f"AR/{generator}", []).append((path, label))

    def rows(cell: Cell) -> list[dict[str, Any]]:
        rng = np.random.default_rng(NAMES.index(cell.detector) + 10 * len(cell.dataset))
        found = []
        for path, label in paths[cell.dataset]:
            blind = cell.detector == "second" and label == 1 and path.endswith("jpg")
            logit = (-4.0 if blind else 1.5 * (2 * label - 1)) + float(rng.normal())
            found.append({"path": path, "label": label, "logit": logit, "score": 0.5, "error": None})
        return found

    sets = {f"AR/{name}": dataset("AR", name, 30, 30) for name in ("VAR", "RAR")}
    made = make_run(
        folder / "run",
        {name: detector() for name in [*NAMES, "fresh"]},
        sets,
        lambda c: rows(c) if c.detector in NAMES else [],
    )
    content = json.loads((made / "run.json").read_text())
    content["detectors"]["fresh"] = detector(untrained=True)
    content["config"] = {"data": [f"AR={folder / 'data'}"], "layout": "generators"}
    (made / "run.json").write_text(json.dumps(content))
    for name, members in paths.items():
        digests = [hashlib.sha256((folder / "data" / path).read_bytes()).digest() for path, _ in members]
        target = made / "pictures" / f"dataset={name.replace('/', '%2F')}" / "digests.parquet"
        target.parent.mkdir(parents=True)
        schema = pa.schema([("path", pa.string()), ("sha256", pa.binary(32))])
        pq.write_table(pa.table({"path": [p for p, _ in members], "sha256": digests}, schema), target)
    return made


def failures(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["failures", *map(str, arguments)])


def test_the_command_finds_the_planted_loss_and_shows_the_pictures(run: Path, tmp_path: Path) -> None:
    done = failures(run, "--gallery", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "left out: fresh: it is untrained" in done.output
    assert "second: generated, format JPEG: +" in done.output
    assert "first: " not in done.output.partition("errs more")[2]
    rows = list(csv.DictReader((tmp_path / "failures.slices.csv").read_text().splitlines()))
    (planted,) = [
        r
        for r in rows
        if (r["detector"], r["trait"], r["value"], r["label"]) == ("second", "format", "JPEG", "1")
    ]
    assert (int(planted["pictures"]), int(planted["wrong"])) == (20, 20)
    page = (tmp_path / "failures.html").read_text()
    images = re.findall(r'src="data:image/jpeg;base64,', page)
    wrong = pd.read_csv(tmp_path / "failures.pictures.csv").query("wrong > 0")
    assert "lazy" not in page  # what is not yet in view would lack on paper
    assert len(images) == sum(min(6, len(group)) for _, group in wrong.groupby(["dataset", "label"]))
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # which names a kind of element
    assert "**1.00**" in (tmp_path / "failures.md").read_text()


def test_traits_are_read_once_and_pictures_that_changed_are_not_taken_for_those_scored(
    run: Path, tmp_path: Path
) -> None:
    study_failures(run)
    kept = run / "pictures" / "dataset=AR%2FVAR" / "traits.parquet"
    before = kept.stat().st_mtime_ns
    found = study_failures(run)
    assert kept.stat().st_mtime_ns == before
    row = found.pictures.set_index("path").loc["VAR/1_fake/000.jpg"]
    own = read_traits(run.parent / "data" / "VAR" / "1_fake" / "000.jpg")
    assert (row["width"], row["height"], row["format"], row["quality"]) == (20, 20, "JPEG", 80)
    assert row["saturation"] == pytest.approx(own.saturation, rel=1e-6)
    kept.unlink()
    changed = run.parent / "data" / "VAR" / "1_fake" / "000.jpg"
    whole = changed.read_bytes()
    try:
        picture(changed, True, 30, 44)
        found = study_failures(run, show=True)
        assert "AR/VAR: 1 pictures are not in slices, they cannot be read as scored" in found.notes
        assert "VAR/1_fake/000.jpg" not in {one.path for one in found.shown}
    finally:
        changed.write_bytes(whole)
        kept.unlink()


def test_pictures_are_found_beside_sets_that_the_run_did_not_ask_for(run: Path, tmp_path: Path) -> None:
    """`--generators` of the run: a fair view of all that lies there fails on a set that was never scored."""
    data, made = tmp_path / "data", tmp_path / "run"
    shutil.copytree(run.parent / "data", data)
    for name in ("0_real", "1_fake"):
        picture(data / "LlamaGen" / name / "0.png", False, None, 8)
    shutil.copytree(run, made)
    content = json.loads((made / "run.json").read_text())
    sets = {f"{name}@size:16": facts for name, facts in content["datasets"].items()}
    config = {
        "data": [f"AR={data}"],
        "layout": "generators",
        "generators": ["VAR", "RAR"],
        "fair": ["size:16"],
    }
    record = make_record({**content, "datasets": sets, "fair": ["size:16"], "config": config})
    found = find_again(made, record)
    assert set(found.sets) == {"AR/VAR@size:16", "AR/RAR@size:16"}
    # data that holds only one of them now still has its pictures
    shutil.rmtree(data / "RAR")
    assert set(find_again(made, record).sets) == {"AR/VAR@size:16"}


def test_what_the_user_knows_makes_slices_with_and_without_the_pictures(run: Path, tmp_path: Path) -> None:
    rows = ["path,dataset,face"]
    for generator in ("VAR", "RAR"):
        for name in ("0_real", "1_fake"):
            for i in range(29):  # of the last ones nothing is known
                kind = "jpg" if i % 3 == 0 else "png"
                rows.append(
                    f"{generator}/{name}/{i:03d}.{kind},AR/{generator},{'yes' if kind == 'jpg' else 'no'}"
                )
    (tmp_path / "own.csv").write_text("\n".join(rows))
    gone = tmp_path / "run"
    shutil.copytree(run, gone)
    content = json.loads((gone / "run.json").read_text())
    content["config"]["data"] = [str(tmp_path / "nowhere")]
    (gone / "run.json").write_text(json.dumps(content))
    for folder, traits in ((run, {"format", "face"}), (gone, {"face"})):
        done = failures(folder, "--traits", tmp_path / "own.csv", "--out", tmp_path / "shown")
        assert done.exit_code == 0, done.output
        assert "second: generated, face yes: +" in done.output
        table = pd.read_csv(tmp_path / "shown" / "failures.slices.csv")
        assert traits <= set(table["trait"])
        planted = table.query("detector == 'second' and trait == 'face' and value == 'yes' and label == 1")
        assert planted[["pictures", "wrong"]].to_numpy().tolist() == [[20, 20]]
        assert table.query("detector == 'first' and trait == 'face'")["pictures"].sum() == 2 * 2 * 29


def test_a_fusion_never_sees_a_picture_of_another_set(run: Path, tmp_path: Path) -> None:
    done = failures(run, "--validation", "AR/VAR", "--out", tmp_path, "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "failures.fusion.csv")
    assert set(table["dataset"]) == {"AR/RAR", "mean"}
    assert sorted(table[table["fusion"]]["name"].unique()) == [
        "logistic regression",
        "mean of calibrated scores",
    ]
    known = table.dropna(subset=["low"])  # AP has no interval on so few pictures
    assert len(known)
    assert (known["low"] <= known["value"] + 1e-9).all()
    assert "⊕ logistic regression" in (tmp_path / "failures.md").read_text()
    # a picture that both sets hold, whatever its name, leaves the validation set
    digests = run / "pictures" / "dataset=AR%2FVAR" / "digests.parquet"
    whole = digests.read_bytes()
    other = pq.read_table(run / "pictures" / "dataset=AR%2FRAR" / "digests.parquet").to_pandas()
    try:
        frame = pq.read_table(digests).to_pandas()
        frame.loc[:26, "sha256"] = other["sha256"][0]
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), digests)
        with pytest.raises(UserError, match=r"AR/VAR.* 3 real"):
            study_failures(run, validation="AR/VAR")
    finally:
        digests.write_bytes(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detectors", "frist,second"], "did you mean 'first'?"),
        (["--condition", "jpeg:75"], "unknown condition of this run 'jpeg:75'"),
        (["--validation", "AR/VRA"], "did you mean 'AR/VAR'?"),
        (["--detectors", "first"], "needs two with scores"),
        (["--data", "nowhere"], "nowhere"),
        (["--traits", "nowhere.csv"], "cannot be read as CSV"),
    ],
)
def test_mistakes_are_one_line(run: Path, arguments: list[str], message: str) -> None:
    done = failures(run, *arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
