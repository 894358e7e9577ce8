"""ResNet-50 with one output, as CNNSpot."""

from __future__ import annotations

from baselines.network import binary_resnet50
from tests.parity.filling import Arrays, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    network = filled(binary_resnet50, golden_names("resnet50_binary"), "", seed)
    return {"logit": network(normalised_images(2, 224, seed)).numpy()}
