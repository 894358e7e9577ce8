"""DDA: the updated transformer at two sizes, and its position embedding."""

from __future__ import annotations

from baselines.dda import DDA
from tests.parity.filling import Arrays, column, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    detector = filled(DDA, golden_names("dda"), "", seed)
    transformer = detector.base_model.model
    images = normalised_images(2, 352, seed)[:, :, :336, :336]
    return {
        "feature": transformer(images).numpy(),
        "logit": column(detector({"image": images})),
        "logit_224": column(detector({"image": images[:, :, :224, :224]})),
        "pos_embed_336_sample": transformer.positions(24, 24)[0, ::24, ::64].numpy(),
    }
