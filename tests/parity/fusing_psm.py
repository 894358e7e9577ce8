"""Fusing: the picture, its patches and the attention over them."""

from __future__ import annotations

from baselines.fusing import Fusing
from tests.parity.filling import Arrays, column, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    detector = filled(Fusing, golden_names("fusing_psm"), "", seed)
    # the golden square is the first of two pictures drawn together
    inputs = {"square": normalised_images(2, 224, seed)[:1], "whole": normalised_images(1, 320, seed)}
    return {"logit": column(detector(inputs))}
