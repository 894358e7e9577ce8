"""UnivFD: CLIP's feature and the linear head on it."""

from __future__ import annotations

from baselines.univfd import UnivFD
from d3qe_plugin.clip import ClipVision
from tests.parity.filling import Arrays, column, filled, golden_names, normalised_images

CLIP = "model."


def arrays(seed: int) -> Arrays:
    encoder = filled(ClipVision, golden_names("univfd", CLIP), CLIP, seed)
    head = filled(UnivFD, golden_names("univfd", "fc."), "", seed)
    feature = encoder(normalised_images(2, 224, seed), ["feature"])["feature"]
    return {"feature": feature.numpy(), "logit": column(head({"feature": feature}))}
