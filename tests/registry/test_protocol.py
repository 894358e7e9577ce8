"""The view of each input protocol."""

from dataclasses import dataclass

import pytest

from registry import UserError, View
from registry.protocol import view_for

ORIGINAL = View(crop=200, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))


def test_original_is_the_published_view():
    assert view_for("original", ORIGINAL) is ORIGINAL


def test_uniform_keeps_only_the_normalisation():
    assert view_for("uniform", ORIGINAL, crop=256) == View(
        resize=256, crop=256, mean=ORIGINAL.mean, std=ORIGINAL.std
    )


@dataclass(frozen=True)
class Louder(View):
    factor: float = 1.0


def test_uniform_keeps_a_step_of_the_detectors_own():
    view = Louder(resize=40, stretch=True, interpolation="bicubic", factor=2.0)
    assert view_for("uniform", view) == Louder(resize=256, crop=224, factor=2.0)


def test_unknown_protocol_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'uniform'"):
        view_for("unifrom", ORIGINAL)
