"""Attribution: calibrated p-values, "none of these", and the command on the mini generators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.attribution import NONE, attribute, confusion, p_values
from benchmarks.mini.dataset import scan
from registry import UserError

GENERATORS = {"a": "A", "b": "B"}


def _scores(values: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"path": [f"{n}.png" for n in range(len(logits))], "detector": name, "logit": logits})
        for name, logits in values.items()
    )


def test_p_values_are_shares_of_real_pictures() -> None:
    found = p_values(np.array([0.0, 2.0, 9.0, np.nan]), np.array([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(found, [1, 3 / 4, 1 / 4, np.nan])


def test_false_positives_keep_to_the_rate() -> None:
    """Whatever the scales of the detectors."""
    rng = np.random.default_rng(0)
    real, other = (
        _scores({"a": rng.standard_normal(4000), "b": rng.standard_cauchy(4000) * 50}) for _ in range(2)
    )
    found = attribute(other, real, GENERATORS, 0.05)
    assert 0.03 < (found["attributed"] != NONE).mean() <= 0.06


def test_the_most_surprising_score_decides() -> None:
    rng = np.random.default_rng(1)
    real = _scores({"a": rng.standard_normal(200), "b": 100 * rng.standard_normal(200)})
    given = _scores({"a": np.array([9.0, 0.0, 0.0, np.nan]), "b": np.array([0.0, 900.0, 0.0, 900.0])})
    found = attribute(given, real, GENERATORS, 0.05)
    assert found["attributed"].tolist()[:3] == ["A", "B", NONE]
    assert found["attributed"].isna().tolist() == [False, False, False, True]
    matrix = confusion(pd.Series(["A", "B", "real"]), found["attributed"][:3], GENERATORS)
    assert matrix.loc["A"].to_dict() == {"A": 1, "B": 0, NONE: 0}
    assert matrix.loc["real", NONE] == 1


def test_too_few_real_pictures_are_refused() -> None:
    few = _scores({"a": np.arange(10.0), "b": np.arange(10.0)})
    with pytest.raises(UserError, match=r"0\.05 among 2 white boxes needs 39 real pictures, got 10"):
        attribute(few, few, GENERATORS, 0.05)


def test_what_is_no_white_box_is_refused(invoke) -> None:
    done = invoke("attribute", "x.png", "--detectors", "random_score", "--calibrate-on", "mini")
    assert done.code == 2
    assert "no picture" in done.err or "random_score is no white box" in done.err


@pytest.mark.slow
def test_the_command_on_the_mini_generators(invoke, tmp_path: Path) -> None:
    raster = scan()[0]
    fake = [str(raster.root / one.path) for one in raster.pictures if one.label == 1][:40]
    done = invoke("attribute", *fake, "--out", tmp_path)
    assert done.code == 0, done.err
    found = pd.read_csv(tmp_path / "attributions.csv")["attributed"]
    assert (found == "raster").sum() >= 5
    assert (found == "next_scale").sum() <= 4
    assert (tmp_path / "confusion.html").is_file()
