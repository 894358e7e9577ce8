"""FGTS on the smallest DINOv3: its tokens, the head on ten of them, and what it reads of a picture.

The golden file was made here, by running the published code (`hzlsaber/FGTS@b02d79d`: `utils/models.py`,
`utils/features.py` and `LinearProbe`) with its `dinov3_vits16` and probe filled by the rule of `seeded.py`; the picture
is the first of `write_image_files`.
"""

from __future__ import annotations

import torch

from baselines.fgts import FGTS, DINOv3Encoder
from tests.golden.seeded import seeded_state_dict
from tests.parity.filling import Arrays, filled, golden_names, normalised_images
from tests.parity.modern_preprocess import pictures

CHOSEN = (200, 18, 5, 187, 32, 6, 17, 7, 46, 16)
"""The tokens of the head published for GenImage."""
HEAD = "fc."


def arrays(seed: int) -> Arrays:
    encoder = DINOv3Encoder("vit_small_patch16_dinov3")
    encoder.network.load_state_dict(seeded_state_dict(golden_names("fgts", ignore=(HEAD,)), seed))
    detector = filled(
        lambda: FGTS(features=384), golden_names("fgts", HEAD), "", seed, own=("token_indices",)
    )
    detector.token_indices = torch.tensor(CHOSEN)
    tokens = encoder.eval()(normalised_images(2, 224, seed))["tokens"]
    return {
        "tokens_sample": tokens[:, ::25, ::32].numpy(),
        "logits": detector.fc(tokens[:, CHOSEN].mean(dim=1)).numpy(),
        "prob": detector({"tokens": tokens}).sigmoid().numpy(),
        "input_landscape_500x375": detector.feature.view(pictures()["landscape_500x375"])[
            :, ::16, ::16
        ].numpy(),
    }
