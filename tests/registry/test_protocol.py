"""The view of each input protocol."""

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


def test_unknown_protocol_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'uniform'"):
        view_for("unifrom", ORIGINAL)
