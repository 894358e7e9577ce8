"""PatchCraft: its network on given textures, and the whole way from an 8-bit picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from baselines.patchcraft import (
    PATCH,
    PatchCraft,
    TextureNetwork,
    TextureView,
    random_corners,
    srm_filters,
    texture,
)
from tests.conftest import SHARED
from tests.golden.seeded import seeded_images
from tests.parity.filling import Arrays, filled, golden_names, load_copy

PUBLISHED = SHARED / "weights" / "patchcraft-rptc.pth"


def arrays(seed: int) -> Arrays:
    network = filled(TextureNetwork, golden_names("patchcraft"), "", seed)
    pairs = torch.from_numpy(seeded_images(4, 256, seed).reshape(2, 2, 3, 256, 256))
    poor, rich = (network.group1(pairs[:, index]) for index in (0, 1))
    stems = [network.group1_b(residuals) for residuals in (poor, rich)]
    srm = torch.nn.functional.conv2d(pairs[:, 0, :1], srm_filters().unsqueeze(1), padding=2)

    # in double precision: the product of some values is half a level only in float32
    levels = np.round(seeded_images(2, 320, seed)[0].astype(np.float64) * 255)
    levels = levels.astype(np.uint8).transpose(1, 2, 0)
    drawn = TextureView()(Image.fromarray(levels))
    picture = torch.from_numpy(levels).permute(2, 0, 1) / 255
    corners = random_corners(320, 320, 42)
    richness = [texture(picture[:, top : top + PATCH, left : left + PATCH]) for top, left in corners]

    found = {
        "logit": network(pairs),
        "hpf_poor": poor[:, ::9, ::16, ::16],
        "g1b_poor": stems[0][..., ::16, ::16],
        "g1b_rich": stems[1][..., ::16, ::16],
        "group2": network.group2(stems[0] - stems[1])[..., ::16, ::16],
        "pool": network.pooled(pairs),
        "srm": srm[..., ::16, ::16],
        "logit_pipeline": network(drawn.unsqueeze(0)),
        "pool_pipeline": network.pooled(drawn.unsqueeze(0)),
        "crops": torch.tensor([corners]),
        "texture": torch.tensor([richness]),
        "poor": drawn[:1, :, ::16, ::16],
        "rich": drawn[1:, :, ::16, ::16],
        "poor_sum": drawn[0].sum().reshape(1),
        "rich_sum": drawn[1].sum().reshape(1),
    }
    if PUBLISHED.is_file():
        detector = PatchCraft().eval()
        load_copy(detector, PUBLISHED)
        found["logit_published"] = detector.network(pairs)
        found["logit_published_pipeline"] = detector.network(drawn.unsqueeze(0))
    return {name: value.numpy() for name, value in found.items()}
