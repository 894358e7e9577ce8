"""WaRPAD: the weakened picture, the features of its squares and how alike they are."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.dinov2 import DINOv2, DINOv2Encoder
from baselines.warpad import WaRPAD, high_frequencies, similarities
from tests.parity.filling import Arrays, filled, golden_names, normalised_images

LEVELS = {"similarity": 0.1, "similarity_448_noise2": 2.0}


def arrays(seed: int) -> Arrays:
    with torch.device("meta"):
        encoder = DINOv2Encoder()
    encoder.network = filled(DINOv2, golden_names("warpad"), "", seed)
    image = normalised_images(1, 896, seed)

    def tiles(values: Tensor) -> Tensor:
        return encoder(values, ["tiles"])["tiles"]

    clean = tiles(image)
    weakened = tiles(image - 0.1 * high_frequencies(image[0]))
    similarity = similarities(clean, weakened)[0]
    part = image[:, :, :448, :448]
    return {
        "score": -WaRPAD()({"clean": clean, "weakened": weakened}).numpy(),
        "similarity": similarity.numpy(),
        "one_minus_similarity": (1 - similarity).numpy(),
        "hf_sample": high_frequencies(image[0])[:, :224:16, :224:16].numpy(),
        "feature_patch0": clean[:, 0].numpy(),
        "similarity_448_noise2": similarities(tiles(part), tiles(part - 2 * high_frequencies(part[0])))[
            0
        ].numpy(),
    }
