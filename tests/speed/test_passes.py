"""What the measuring scripts compare gives the same scores, or is known to differ."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from benchmarks.config import RunSettings
from benchmarks.loading import open_session
from benchmarks.speed import alternation, peak
from benchmarks.speed.alternation import alternately, ratio
from benchmarks.speed.passes import main, released_way, scored
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


def test_the_share_of_the_peak_is_that_of_the_operations_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Products of matrices and ways take half a second each by this clock: one of two matrices of side n has 2 n³ operations."""
    monkeypatch.setattr(peak, "SIDES", {"cpu": (8, 16)})
    ticks = count(0, 0.5)
    for module in (peak, alternation):
        monkeypatch.setattr(module, "now", lambda *_, **__: next(ticks))
    assert peak.matmul_peak("cpu", torch.float32) == 2 * 16**3 / 0.5
    main("univfd_mini", "", "float32,lower", pictures=2, batch_size=2, rounds=1, protocol="original")
    lines = capsys.readouterr().out.splitlines()
    operations = float(lines[1].split()[0]) * 1e9
    table = {line.split()[0]: line.split() for line in lines[2:]}
    for way in ("float32", "bfloat16"):
        milliseconds, rate, _, _, _, share = table[way][1:7]
        assert (milliseconds, rate) == ("250.00", "4")
        assert float(share[:-1]) / 100 == pytest.approx(operations * 4 / (2 * 16**3 / 0.5), rel=1e-2)
    # by hand: every value that a convolution gives is a sum over its weights
    session = open_session(detectors=["univfd_mini"])
    convolutions = {}
    encoder = session.encoders.get(session.detectors["univfd_mini"].inputs["feature"].encoder)  # type: ignore[union-attr]
    for name, module in encoder.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda one, _, output, name=name: convolutions.update(
                    {name: 2 * output[0].numel() * one.weight[0].numel()}
                )
            )
    scored(session, ["univfd_mini"], [make_picture(0, 0, (64, 64))])
    assert operations == pytest.approx(sum(convolutions.values()), rel=0.02)


def test_ways_are_measured_in_turn_and_compared_round_by_round() -> None:
    order: list[str] = []
    seconds = alternately({name: lambda name=name: order.append(name) for name in "ab"}, 3, "cpu")  # type: ignore[misc]
    assert "".join(order) == "abababab"
    assert [len(of_way) for of_way in seconds.values()] == [3, 3]
    order.clear()
    alternately(
        {name: lambda name=name: order.append(name) for name in "ab"},
        2,
        "cpu",
        after={"a": lambda: order.append("c")},
    )  # type: ignore[misc]
    assert "".join(order) == "ab" + "acb" * 2
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
