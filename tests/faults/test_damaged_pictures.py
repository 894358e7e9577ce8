"""1,000 damaged pictures of six formats: each is scored or named, none of them ends the run or stands for another."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.runfolder.scores import read_scores
from tests.faults import children
from tests.faults.counts import Counts
from tests.faults.mutations import mutated
from tests.faults.scoring import scoring
from tests.pictures import make_picture

pytestmark = pytest.mark.faults

FORMATS = ("png", "jpg", "webp", "gif", "bmp", "tiff")
PICTURES = 1000
OPTIONS = {"tiff": {"compression": "tiff_lzw"}, "jpg": {"quality": 90}}
LOSSY = 0.05
"""How far the logit of a picture that was cut at its very end may be from the whole one's."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Per format a test set, half of it called real; the name of a file says which whole picture it was and how it was cut."""
    root = tmp_path_factory.mktemp("damaged") / "data"
    for number in range(PICTURES):
        suffix = FORMATS[number % len(FORMATS)]
        round_ = number // len(FORMATS)
        folder = root / suffix.upper() / ("0_real", "1_fake")[round_ % 2]
        folder.mkdir(parents=True, exist_ok=True)
        original = round_ % 4
        stream = io.BytesIO()
        picture = make_picture(original, round_ % 2, (40 + original, 36))
        picture.save(stream, {"jpg": "JPEG"}.get(suffix, suffix.upper()), **OPTIONS.get(suffix, {}))
        if round_ < 4:
            (folder / f"whole {original}.{suffix}").write_bytes(stream.getvalue())
        kind = "cut" if round_ % 5 == 0 else ""
        (folder / f"{kind or 'damaged'} {original} {number}.{suffix}").write_bytes(
            mutated(stream.getvalue(), number, kind)
        )
    return root


def test_each_is_scored_or_named(data: Path, tmp_path: Path, counts: Counts) -> None:
    given = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert len(given) == PICTURES + 4 * len(FORMATS)

    out, log = tmp_path / "run", tmp_path / "log"
    code, said = children.run(*scoring(data, out), log=log)

    assert code == 1, "the broken ones are said"
    assert "Traceback" not in said
    rows = read_scores(out)
    assert sorted(rows["path"]) == sorted(given), "each once, none skipped in silence"
    assert (rows["logit"].notna() ^ rows["error"].notna()).all()
    assert all(math.isfinite(logit) for logit in rows["logit"].dropna())
    failed = int(rows["error"].notna().sum())
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    assert sum(cell["n_error"] for cell in metrics["cells"]) == failed
    assert rows["error"].dropna().map(lambda text: 0 < len(text) < 400 and "\n" not in text).all()
    whole = rows[rows["path"].str.contains("/whole ")]
    assert whole["logit"].notna().all()
    counts.add(
        "damaged pictures", "scored, as what can be read of them", int(len(rows) - len(whole) - failed)
    )
    counts.add("damaged pictures", "named with the reason", failed)
    _no_part_of_a_picture_stands_for_it(rows)


def _no_part_of_a_picture_stands_for_it(rows: pd.DataFrame) -> None:
    """One that was cut off has its own score, where only bytes after its pixels are lost, or none."""
    parts = rows["path"].str.extract(r"/(?P<kind>whole|cut|damaged) (?P<original>\d).*\.(?P<suffix>\w+)$")
    table = pd.concat([rows, parts], axis=1)
    table["folder"] = table["path"].str.rpartition("/")[0]
    whole = table[table["kind"] == "whole"].set_index(["folder", "original"])["logit"]
    cut = table[(table["kind"] == "cut") & table["logit"].notna()]
    wrong = [
        (row.path, row.logit, whole[row.folder, row.original])
        for row in cut.itertuples()
        if (row.folder, row.original) in whole.index
        and abs(row.logit - whole[row.folder, row.original]) > LOSSY
    ]
    assert wrong == []


def test_each_is_named_by_the_audit(data: Path, tmp_path: Path, counts: Counts) -> None:
    """Headers are read there by other code than pixels."""
    code, said = children.run("audit", data, "--out", tmp_path / "audit", log=tmp_path / "log")
    assert "Traceback" not in said
    assert code in (0, 1), said
    counts.add("damaged pictures", "audited", PICTURES)
