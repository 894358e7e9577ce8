"""The bias of an untrained D³AT: nearly zero for ΔD as published, quadratic in it."""

from __future__ import annotations

import pytest

from tools.attention_bias import attention_bias


def test_bias_of_an_untrained_network_is_nearly_zero_and_quadratic_in_delta() -> None:
    published, tenfold = (float(attention_bias(0, spread).abs().mean()) for spread in (1e-4, 1e-3))
    assert 1e-6 < published < 1e-4
    assert tenfold / published == pytest.approx(100, rel=0.05)
