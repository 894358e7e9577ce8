"""B-Free: its five windows on a large picture, one that is no square, and one that is repeated."""

from __future__ import annotations

from baselines.bfree import WindowedTransformer
from tests.parity.filling import Arrays, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    network = filled(WindowedTransformer, golden_names("bfree"), "", seed)
    images = normalised_images(1, 640, seed)
    features = network.window_features(images)
    return {
        "logit": network(images).numpy(),
        "logit_crops": network.head(features).numpy(),
        "feature_crops": features.numpy(),
        "logit_600x560": network(images[:, :, :600, :560]).numpy(),
        "logit_small_300x200": network(images[:, :, :300, :200]).numpy(),
    }
