"""Effort: the tower block by block, the head, and the split of a weight."""

from __future__ import annotations

from torch import Tensor

from baselines.effort import Effort, split_weight
from tests.golden.seeded import seeded_state_dict
from tests.parity.filling import Arrays, filled, golden_names, normalised_images

BLOCKS = (0, 5, 11, 23)


def arrays(seed: int) -> Arrays:
    detector = filled(Effort, golden_names("effort"), "", seed)
    images = normalised_images(2, 224, seed)
    seen: dict[int, Tensor] = {}
    for index in BLOCKS:
        detector.backbone.encoder.layers[index].register_forward_hook(
            lambda _block, _tokens, output, index=index: seen.update({index: output})  # type: ignore[misc]
        )
    feature = detector.backbone(images)
    weight = seeded_state_dict({"svd_probe.weight": (256, 256)}, seed)["svd_probe.weight"]
    parts = split_weight(weight, rank=1)
    residual = (parts["U_residual"] * parts["S_residual"]) @ parts["V_residual"]
    return {
        "feature": feature.numpy(),
        "logits": detector.head(feature).numpy(),
        "prob": detector({"image": images}).sigmoid().numpy(),
        **{f"block{index}_sample": seen[index][:, ::32, ::64].numpy() for index in BLOCKS},
        "svd_weight_main_sample": parts["weight_main"][::16, ::16].numpy(),
        "svd_S_residual": parts["S_residual"].numpy(),
        "svd_residual_sample": residual[::16, ::16].numpy(),
    }
