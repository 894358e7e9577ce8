"""The ResNet-50 without down-sampling, on a square and on a part of it."""

from __future__ import annotations

from baselines.res50nodown import NoDownNetwork
from tests.parity.filling import Arrays, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    network = filled(NoDownNetwork, golden_names("res50nodown"), "", seed)
    images = normalised_images(2, 224, seed)
    return {
        "feature": network.features(images).numpy(),
        "logit": network(images).numpy(),
        "logit_200x168": network(images[:, :, :200, :168]).numpy(),
    }
