"""Community Forensics' transformer at both published sizes."""

from __future__ import annotations

from baselines.commfor import CommunityTransformer
from tests.parity.filling import Arrays, filled, golden_names, normalised_images

POSITIONS = "vit.pos_embed"


def arrays(seed: int) -> Arrays:
    found = {}
    for size in (384, 224):
        patches = (size // 16) ** 2
        shapes = {**golden_names("commfor"), POSITIONS: (1, patches + 1, 384)}
        network = filled(lambda size=size: CommunityTransformer(size), shapes, "", seed)  # type: ignore[misc]
        images = normalised_images(2, size, seed)
        features = network.vit.forward_head(network.vit.forward_features(images), pre_logits=True)
        found[f"feature_{size}"] = features.numpy()
        found[f"logit_{size}"] = network(images).numpy()
    return found
