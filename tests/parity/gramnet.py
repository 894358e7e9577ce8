"""Gram-Net's network."""

from __future__ import annotations

from baselines.gramnet import GramResNet
from tests.parity.filling import Arrays, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    network = filled(GramResNet, golden_names("gramnet"), "", seed)
    return {"logit": network(normalised_images(2, 224, seed)).numpy()}
