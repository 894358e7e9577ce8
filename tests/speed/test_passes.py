"""What the measuring scripts compare gives the same scores, or is known to differ."""

from __future__ import annotations

import pytest

from benchmarks.config import RunSettings
from benchmarks.loading import open_session
from benchmarks.speed.alternation import alternately, ratio
from benchmarks.speed.passes import released_way, scored
from benchmarks.speed.precision_effect import effects
from tests.pictures import make_picture


def test_the_released_way_gives_the_scores_of_the_pipeline() -> None:
    session = open_session(detectors=["d3qe_mini"], batch_size=2)
    pictures = [make_picture(seed, seed % 2, (64, 64)) for seed in range(3)]
    released = released_way(session, "d3qe_mini", pictures)
    assert released == pytest.approx(
        scored(session, ["d3qe_mini"], pictures)["d3qe_mini"], rel=1e-4, abs=1e-4
    )
    assert len(set(released)) == 3


def test_ways_are_measured_in_turn_and_compared_round_by_round() -> None:
    order: list[str] = []
    seconds = alternately({name: lambda name=name: order.append(name) for name in "ab"}, 3, "cpu")  # type: ignore[misc]
    assert "".join(order) == "abababab"
    assert [len(of_way) for of_way in seconds.values()] == [3, 3]
    assert ratio({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 4.0]}, "a", "b") == 2.0


def test_the_effect_of_a_precision_is_that_of_its_scores() -> None:
    settings = RunSettings.model_validate(
        {"data": ["mini"], "limit": 5, "detectors": [{"name": "d3qe_mini"}, {"name": "cnnspot_mini"}]}
    )
    tokens, none = effects(settings, "bfloat16")
    assert (tokens.pictures, none.pictures) == (60, 60)
    assert tokens.logit > 0
    assert tokens.flipped is not None
    assert 0 < tokens.flipped < 0.05
    # it has no encoder, and heads are float32
    assert (none.logit, none.ap, none.flipped) == (0, 0, None)
