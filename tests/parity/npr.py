"""NPR's network, at two sizes."""

from __future__ import annotations

from baselines.npr import NPRNetwork
from tests.parity.filling import Arrays, filled, golden_names, normalised_images


def arrays(seed: int) -> Arrays:
    network = filled(NPRNetwork, golden_names("npr"), "", seed)
    images = normalised_images(2, 256, seed)
    return {"logit": network(images).numpy(), "logit_224": network(images[:, :, :224, :224]).numpy()}
